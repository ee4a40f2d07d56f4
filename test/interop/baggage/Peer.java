import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.logging.Level;
import java.util.logging.Logger;

/** How OpenTelemetry for Java reads baggage and writes it again: a header in hexadecimal per input line, its result per output line. */
class Peer {
  private static final HexFormat HEX = HexFormat.of();

  private static final TextMapGetter<String> LINE =
      new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(String line) {
          return List.of("baggage");
        }

        @Override
        public String get(String line, String key) {
          return line;
        }

        @Override
        public Iterator<String> getAll(String line, String key) {
          return List.of(line).iterator();
        }
      };

  public static void main(String[] args) throws IOException {
    Logger.getLogger("io.opentelemetry").setLevel(Level.OFF);
    W3CBaggagePropagator propagator = W3CBaggagePropagator.getInstance();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    StringBuilder out = new StringBuilder();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      // Tomcat and Netty decode a header's bytes as Latin-1.
      Context context = propagator.extract(Context.root(), new String(HEX.parseHex(line), ISO_8859_1), LINE);
      Map<String, String> written = new HashMap<>();
      propagator.inject(context, written, Map::put);
      StringJoiner members = new StringJoiner(" ");
      Baggage.fromContext(context).forEach((key, entry) -> members.add(text(key) + "=" + text(entry.getValue())));
      out.append(members).append('\t').append(text(written.getOrDefault("baggage", ""))).append('\n');
    }
    System.out.print(out);
  }

  private static String text(String value) {
    return HEX.formatHex(value.getBytes(UTF_8));
  }
}
