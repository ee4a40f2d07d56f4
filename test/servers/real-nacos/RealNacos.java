package com.alibaba.nacos;

import com.alibaba.nacos.consistency.cp.RequestProcessor4CP;
import com.alibaba.nacos.core.code.ControllerMethodsCache;
import com.alibaba.nacos.core.distributed.ProtocolManager;
import com.alibaba.nacos.plugin.auth.exception.AccessException;
import com.alibaba.nacos.plugin.auth.impl.persistence.RolePersistService;
import com.alibaba.nacos.plugin.auth.impl.persistence.UserPersistService;
import com.alibaba.nacos.plugin.auth.impl.utils.PasswordEncoderUtil;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.ServletComponentScan;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.RestControllerAdvice;

/**
 * Starts the official Nacos server modules in standalone mode, as the official distribution's main class does. It
 * repairs what this republished build leaves undone, and ends with the process that started it.
 */
@SpringBootApplication(
        scanBasePackages = "com.alibaba.nacos",
        excludeName = "org.springframework.boot.autoconfigure.ldap.LdapAutoConfiguration")
@ServletComponentScan
@EnableScheduling
public class RealNacos {

    /** Without this every API answers 501: nothing in this build fills the cache that the request filters ask. */
    @Bean
    public Object controllerMethods(ControllerMethodsCache cache) {
        for (String name : new String[] {"core.controller", "naming.controllers", "config.server.controller"}) {
            cache.initClassMethod("com.alibaba.nacos." + name);
        }
        return new Object();
    }

    /** The console module, which is not on Maven Central, has this: without it a wrong password is no HTTP status at all. */
    @RestControllerAdvice
    @Order(Ordered.HIGHEST_PRECEDENCE)
    static class ForbiddenLogIn {
        @ExceptionHandler(AccessException.class)
        ResponseEntity<String> forbidden(AccessException exception) {
            return ResponseEntity.status(HttpStatus.FORBIDDEN).body(exception.getErrMsg());
        }
    }

    public static void main(String[] arguments) throws Exception {
        endWithParent();
        ConfigurableApplicationContext context = SpringApplication.run(RealNacos.class, arguments);
        registerRaftProcessors(context);
        createUser(context, System.getenv("REAL_NACOS_USERNAME"), System.getenv("REAL_NACOS_PASSWORD"));
        System.out.println("RealNacos is ready");
    }

    /** Standard input is a pipe from the test process: its end means that process is gone, however it went. */
    private static void endWithParent() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // nothing is ever written
                }
            } catch (IOException closed) {
                // the same as the end
            }
            // Other threads still write: what they leave is gone at the next try.
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

    /** Metadata updates and persistent instances go through raft groups, which this build never registers. */
    private static void registerRaftProcessors(ConfigurableApplicationContext context) throws Exception {
        Object protocol = context.getBean(ProtocolManager.class).getCpProtocol();
        Field field = protocol.getClass().getDeclaredField("raftServer");
        field.setAccessible(true);
        Object raftServer = field.get(protocol);
        for (Method method : raftServer.getClass().getDeclaredMethods()) {
            if (method.getName().equals("createMultiRaftGroup")) {
                method.setAccessible(true);
                method.invoke(raftServer, context.getBeansOfType(RequestProcessor4CP.class).values());
            }
        }
    }

    private static void createUser(ConfigurableApplicationContext context, String username, String password) {
        if (username == null) {
            return;
        }
        UserPersistService users = context.getBean(UserPersistService.class);
        String encoded = PasswordEncoderUtil.encode(password);
        if (users.findUserByUsername(username) != null) {
            users.updateUserPassword(username, encoded);
            return;
        }
        users.createUser(username, encoded);
        context.getBean(RolePersistService.class).addRole("ROLE_ADMIN", username);
    }
}
