package com.alibaba.nacos;

import com.alibaba.nacos.config.server.service.dump.EmbeddedDumpService;
import com.alibaba.nacos.consistency.SerializeFactory;
import com.alibaba.nacos.consistency.Serializer;
import com.alibaba.nacos.consistency.cp.RequestProcessor4CP;
import com.alibaba.nacos.consistency.serialize.HessianSerializer;
import com.alibaba.nacos.core.code.ControllerMethodsCache;
import com.alibaba.nacos.core.distributed.ProtocolManager;
import com.alibaba.nacos.plugin.auth.exception.AccessException;
import com.alibaba.nacos.plugin.auth.impl.persistence.RolePersistService;
import com.alibaba.nacos.plugin.auth.impl.persistence.UserPersistService;
import com.alibaba.nacos.plugin.auth.impl.utils.PasswordEncoderUtil;
import com.alibaba.nacos.sys.utils.ApplicationUtils;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Map;
import org.springframework.beans.factory.config.BeanPostProcessor;
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
 * Starts the official Nacos server modules, as the official distribution's main class does. It
 * repairs defects of this republished build, and ends with its parent process.
 */
@SpringBootApplication(
        scanBasePackages = "com.alibaba.nacos",
        excludeName = "org.springframework.boot.autoconfigure.ldap.LdapAutoConfiguration")
@ServletComponentScan
@EnableScheduling
public class RealNacos {

    /** Without this every API answers 501: nothing in this build fills the cache that the request filters use. */
    @Bean
    public Object controllerMethods(ControllerMethodsCache cache) {
        for (String name : new String[] {"core.controller", "naming.controllers", "config.server.controller"}) {
            cache.initClassMethod("com.alibaba.nacos." + name);
        }
        return new Object();
    }

    /**
     * In this build, adding request processors to raft does nothing, so metadata updates, persistent instances and the configs of a
     * cluster have no raft group. Each gets one as soon as it is created: a starting member waits for the leader of its configs.
     */
    @Bean
    public static BeanPostProcessor raftGroups() {
        return new BeanPostProcessor() {
            @Override
            public Object postProcessBeforeInitialization(Object bean, String name) {
                if (bean instanceof EmbeddedDumpService) {
                    waitForLeader((EmbeddedDumpService) bean);
                }
                return bean;
            }

            @Override
            public Object postProcessAfterInitialization(Object bean, String name) {
                if (bean instanceof RequestProcessor4CP) {
                    createRaftGroup((RequestProcessor4CP) bean);
                }
                return bean;
            }
        };
    }

    private static void createRaftGroup(RequestProcessor4CP processor) {
        try {
            Object protocol = ApplicationUtils.getBean(ProtocolManager.class).getCpProtocol();
            Field field = protocol.getClass().getDeclaredField("raftServer");
            field.setAccessible(true);
            Object raftServer = field.get(protocol);
            Method create = raftServer.getClass().getDeclaredMethod("createMultiRaftGroup", Collection.class);
            create.setAccessible(true);
            create.invoke(raftServer, Collections.singletonList(processor));
        } catch (ReflectiveOperationException exception) {
            throw new IllegalStateException(exception);
        }
    }

    /** This build's serializer fails on empty data, which is the highest id of an empty table: a member without configs would never start. */
    private static void mendSerializer() throws Exception {
        Field field = SerializeFactory.class.getDeclaredField("SERIALIZER_MAP");
        field.setAccessible(true);
        ((Map<String, Serializer>) field.get(null)).put(SerializeFactory.HESSIAN_INDEX, new HessianSerializer() {
            @Override
            public <T> T deserialize(byte[] data, Class<T> type) {
                return data == null || data.length == 0 ? null : super.deserialize(data, type);
            }
        });
    }

    /** From the console module, which is not on Maven Central. Without it a wrong password gives no HTTP status. */
    @RestControllerAdvice
    @Order(Ordered.HIGHEST_PRECEDENCE)
    static class ForbiddenLogIn {
        @ExceptionHandler(AccessException.class)
        ResponseEntity<String> forbidden(AccessException exception) {
            return ResponseEntity.status(HttpStatus.FORBIDDEN).body(exception.getErrMsg());
        }
    }

    public static void main(String[] arguments) throws Exception {
        ParentProcess.endWithIt();
        mendSerializer();
        ConfigurableApplicationContext context = SpringApplication.run(RealNacos.class, arguments);
        createUser(context, System.getenv("REAL_NACOS_USERNAME"), System.getenv("REAL_NACOS_PASSWORD"));
        System.out.println("RealNacos is ready");
    }

    /** A starting member ends if its leader changes, though it retries most other failed reads. */
    private static void waitForLeader(EmbeddedDumpService dump) {
        try {
            Field field = EmbeddedDumpService.class.getDeclaredField("retryMessages");
            field.setAccessible(true);
            String[] known = (String[]) field.get(dump);
            String[] messages = Arrays.copyOf(known, known.length + 1);
            messages[known.length] = "did not find the Leader node";
            field.set(dump, messages);
        } catch (ReflectiveOperationException exception) {
            throw new IllegalStateException(exception);
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
