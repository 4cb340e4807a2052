//! A real Traffic Server in a folder of its own, as a forward proxy on a loopback port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::program::PATIENCE;

/// A running Traffic Server; ends, and its folder goes, when dropped.
pub struct TrafficServer {
    folder: tempfile::TempDir,
    child: Child,
    pub port: u16,
}

/// A log object: file name, and format string.
pub type Log<'a> = (&'a str, &'a str);

impl TrafficServer {
    /// Starts one that writes binary logs. The names in `hosts` lead to 127.0.0.1.
    pub fn start(logs: &[Log<'_>], hosts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["etc", "log", "run", "cache"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let put = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
        let root = folder.path().display();
        put(
            "runroot.yaml",
            &format!(
                "prefix: {root}\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\nsysconfdir: {root}/etc\n\
                 datadir: /usr/share/trafficserver\nincludedir: /usr/include\nlibdir: /usr/lib/trafficserver\n\
                 libexecdir: /usr/lib/trafficserver/modules\nlocalstatedir: {root}/run\nruntimedir: {root}/run\n\
                 logdir: {root}/log\ncachedir: {root}/cache\nmandir: /usr/share/man\ninfodir: /usr/share/info\n"
            ),
        );
        let settings = [
            format!("http.server_ports STRING {port}:ip-in=127.0.0.1"),
            "admin.user_id STRING #-1".into(),
            "log.logging_enabled INT 3".into(),
            "log.rolling_enabled INT 0".into(),
            "log.max_secs_per_buffer INT 1".into(),
            "log.periodic_tasks_interval INT 1".into(),
            "log.hostname STRING edge-real.example.net".into(),
            "url_remap.remap_required INT 0".into(),
            "http.cache.required_headers INT 0".into(),
            format!("hostdb.host_file.path STRING {root}/etc/hosts"),
            "cache.ram_cache.size INT 8M".into(),
            "exec_thread.autoconfig INT 0".into(),
            "exec_thread.limit INT 2".into(),
            "http.connect_attempts_timeout INT 2".into(),
        ];
        put("etc/records.config", &settings.map(|setting| format!("CONFIG proxy.config.{setting}\n")).concat());
        put("etc/storage.config", "cache 32M\n");
        put("etc/remap.config", "");
        put("etc/ip_allow.yaml", "ip_allow:\n  - apply: in\n    ip_addrs: 0/0\n    action: allow\n    methods: ALL\n");
        put("etc/hosts", &format!("127.0.0.1 {}\n", hosts.join(" ")));
        let formats = logs.iter().map(|(name, format)| format!("    - name: {name}\n      format: '{format}'\n"));
        let objects =
            logs.iter().map(|(name, _)| format!("    - filename: {name}\n      format: {name}\n      mode: binary\n"));
        put(
            "etc/logging.yaml",
            &format!("logging:\n  formats:\n{}  logs:\n{}", formats.collect::<String>(), objects.collect::<String>()),
        );
        let out = std::fs::File::create(at("out.txt")).unwrap();
        let child = Command::new("traffic_server")
            .arg(format!("--run-root={root}"))
            .env("TS_RUNROOT", folder.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .expect("Traffic Server is missing: apt-get install trafficserver, or scripts/test --without ats");
        let mut server = Self { folder, child, port };
        server.wait_until("it accepts", |_| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    /// A file of its log folder.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("log").join(name)
    }

    /// Moves a log aside, as logrotate does, and has a new one begun.
    pub fn rotate(&self, name: &str, to: &str) {
        std::fs::rename(self.log(name), self.log(to)).unwrap();
        self.signal(rustix::process::Signal::USR2);
    }

    /// Ends it as an operator does: what it holds is written first.
    pub fn stop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Path) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self.folder.path()) {
            let said = || std::fs::read_to_string(self.folder.path().join("out.txt")).unwrap_or_default();
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("Traffic Server ended with {status}: {}", said());
            }
            assert!(Instant::now() < until, "waited in vain until {what}: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for TrafficServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
