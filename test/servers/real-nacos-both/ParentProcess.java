package com.alibaba.nacos;

import java.io.File;
import java.io.IOException;

/** The test process that started this server. */
final class ParentProcess {

    private ParentProcess() {
    }

    /** Standard input is a pipe from the test process: its end means that the process is gone, for whatever reason. */
    static void endWithIt() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // nothing is ever written
                }
            } catch (IOException closed) {
                // the same as the end
            }
            // Other threads are still writing: the next try removes their files.
            File home = new File(System.getProperty("nacos.home"));
            for (int attempt = 0; attempt < 50 && home.exists(); attempt++) {
                delete(home);
            }
            Runtime.getRuntime().halt(0);
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static void delete(File file) {
        File[] children = file.listFiles();
        if (children != null) {
            for (File child : children) {
                delete(child);
            }
        }
        file.delete();
    }
}
