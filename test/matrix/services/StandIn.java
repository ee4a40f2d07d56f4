import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** mongo-java-server in memory, on the given port; it reports version 4.4, the oldest that the driver accepts. */
public class StandIn {
  public static void main(String[] args) {
    MongoVersion version = new MongoVersion() {
      public List<Integer> getVersionArray() {
        return List.of(4, 4, 0);
      }

      public int getWireVersion() {
        return 9;
      }
    };
    new MongoServer(new MemoryBackend().version(version)).bind("127.0.0.1", Integer.parseInt(args[0]));
    System.out.println("ready");
  }
}
