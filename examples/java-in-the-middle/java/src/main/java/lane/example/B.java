package lane.example;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.context.WebServerApplicationContext;
import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** B, the commodity center: calls C through OpenFeign. */
@SpringBootApplication
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
  private final WebServerApplicationContext server;

  B(C c, @Value("${NAME:B}") String name, WebServerApplicationContext server) {
    this.c = c;
    this.name = name;
    this.server = server;
  }

  @GetMapping("/b")
  String answer() {
    return name + "[127.0.0.1:" + server.getWebServer().getPort() + "] -> " + c.ask();
  }

  public static void main(String[] arguments) {
    SpringApplication.run(B.class, arguments);
  }
}
