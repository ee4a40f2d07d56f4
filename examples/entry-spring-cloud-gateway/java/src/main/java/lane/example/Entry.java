package lane.example;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** A Spring Cloud Gateway with configuration only. */
@SpringBootApplication
public class Entry {
  public static void main(String[] arguments) {
    SpringApplication.run(Entry.class, arguments);
  }
}
