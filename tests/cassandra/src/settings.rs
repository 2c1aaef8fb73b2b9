//! What a small node is told: its configuration file, its log, and what the Java machine must open for it. Pure.

use std::path::Path;

use crate::node::NodeOptions;

/// Modules of the Java machine that Cassandra 5.0 reaches into, as its own start scripts say.
const EXPORTS: [&str; 9] = [
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.attach/sun.tools.attach",
];
const OPENS: [&str; 14] = [
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.lang.reflect",
    "java.base/java.lang",
    "java.base/java.util",
    "jdk.management/com.sun.management.internal",
    "jdk.compiler/com.sun.tools.javac",
];

/// Arguments of the Java machine.
pub(crate) fn java(options: &NodeOptions, folder: &Path, agent: &Path) -> Vec<String> {
    let heap = options.heap_mb;
    let mut arguments = vec![
        format!("-Xms{heap}m"),
        format!("-Xmx{heap}m"),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:+PerfDisableSharedMem".to_owned(),
        "-Djdk.attach.allowAttachSelf=true".to_owned(),
        format!("-javaagent:{}", agent.display()),
        "-Dio.netty.tryReflectionSetAccessible=true".to_owned(),
        format!("-Dcassandra.config=file://{}", folder.join("cassandra.yaml").display()),
        format!("-Dcassandra.storagedir={}", folder.join("data").display()),
        format!("-Dcassandra.logdir={}", folder.display()),
        format!("-Dlogback.configurationFile={}", folder.join("logback.xml").display()),
        "-Dcassandra-foreground=yes".to_owned(),
        // There is nobody to wait for: the seeds are started first.
        "-Dcassandra.skip_wait_for_gossip_to_settle=0".to_owned(),
        "-Dcassandra.ring_delay_ms=2000".to_owned(),
        // Nodes join one after the other, but a node may hear late that the one before it has: there is nothing yet that could be lost by it.
        "-Dcassandra.consistent.rangemovement=false".to_owned(),
    ];
    for module in EXPORTS {
        arguments.extend(["--add-exports".to_owned(), format!("{module}=ALL-UNNAMED")]);
    }
    for module in OPENS {
        arguments.extend(["--add-opens".to_owned(), format!("{module}=ALL-UNNAMED")]);
    }
    arguments
}

/// `cassandra.yaml`
pub(crate) fn yaml(options: &NodeOptions, folder: &Path, native: u16) -> String {
    let NodeOptions {
        address,
        storage_port,
        seeds,
        ..
    } = options;
    let at = |name: &str| folder.join("data").join(name).display().to_string();
    let seeds = seeds.join(",");
    let (data, log, caches, hints, cdc) = (at("data"), at("commitlog"), at("saved_caches"), at("hints"), at("cdc_raw"));
    format!(
        "cluster_name: for tests
num_tokens: 4
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seeds}\"
listen_address: {address}
rpc_address: {address}
native_transport_port: {native}
storage_port: {storage_port}
endpoint_snitch: SimpleSnitch
data_file_directories:
  - {data}
commitlog_directory: {log}
saved_caches_directory: {caches}
hints_directory: {hints}
cdc_raw_directory: {cdc}
# A write is acknowledged when it is on the disk: the writes at hand share a sync.
commitlog_sync: batch
commitlog_segment_size: 32MiB
auto_snapshot: false
dynamic_snitch: false
memtable_heap_space: 96MiB
memtable_offheap_space: 96MiB
file_cache_size: 32MiB
key_cache_size: 8MiB
counter_cache_size: 0MiB
concurrent_reads: 16
concurrent_writes: 16
concurrent_compactors: 1
native_transport_max_threads: 32
write_request_timeout: 2s
read_request_timeout: 5s
range_request_timeout: 10s
"
    )
}

/// `logback.xml`
pub(crate) fn logback() -> &'static str {
    r#"<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{HH:mm:ss.SSS} %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
  <logger name="org.apache.cassandra" level="INFO"/>
</configuration>
"#
}
