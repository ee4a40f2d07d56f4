package lane.example;

import io.opentelemetry.api.baggage.Baggage;
import java.util.List;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.cloud.client.ServiceInstance;
import org.springframework.cloud.client.loadbalancer.Request;
import org.springframework.cloud.loadbalancer.annotation.LoadBalancerClients;
import org.springframework.cloud.loadbalancer.core.DelegatingServiceInstanceListSupplier;
import org.springframework.cloud.loadbalancer.core.ServiceInstanceListSupplier;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import reactor.core.publisher.Flux;

/** Chooses instances as Lane does: those of the request's lane, or else base ones. */
@Configuration
@ConditionalOnProperty(name = "lane.choose", matchIfMissing = true)
@LoadBalancerClients(defaultConfiguration = LaneLoadBalancer.Instances.class)
public class LaneLoadBalancer {
  static class Instances {
    @Bean
    ServiceInstanceListSupplier inLane(ConfigurableApplicationContext context) {
      return new InLane(ServiceInstanceListSupplier.builder().withBlockingDiscoveryClient().build(context));
    }
  }

  static class InLane extends DelegatingServiceInstanceListSupplier {
    InLane(ServiceInstanceListSupplier all) {
      super(all);
    }

    @Override
    public Flux<List<ServiceInstance>> get(Request request) {
      // Read it here, in the thread of the call: the rest may run in another.
      String tag = Baggage.current().getEntryValue("lane");
      return delegate.get(request).map(all -> {
        List<ServiceInstance> lane = all.stream().filter(one -> tag != null && tag.equals(one.getMetadata().get("lane"))).toList();
        return lane.isEmpty() ? all.stream().filter(one -> one.getMetadata().get("lane") == null).toList() : lane;
      });
    }

    @Override
    public Flux<List<ServiceInstance>> get() {
      return get(null);
    }
  }
}
