package lane.test;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.EnableDiscoveryClient;
import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** Calls C through OpenFeign; Nepxion chooses the instance of C. */
@SpringBootApplication
@EnableDiscoveryClient
@EnableFeignClients
@RestController
public class B {
  @FeignClient("spring-cloud-c")
  interface C {
    @GetMapping("/c")
    String ask();
  }

  private final C c;
  private final String name;

  B(C c, @Value("${NAME:B}") String name) {
    this.c = c;
    this.name = name;
  }

  @GetMapping("/b")
  String answer() {
    return name + " -> " + c.ask();
  }

  public static void main(String[] arguments) {
    SpringApplication.run(B.class, arguments);
  }
}
