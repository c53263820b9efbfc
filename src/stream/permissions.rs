//! What each side may do at the broker, and no more.

/// The subjects that a user may publish to, and those that it may subscribe to.
pub struct Permissions {
    /// For whom.
    pub role: &'static str,
    /// What may be published: to publish is to ask, too.
    pub publish: &'static [&'static str],
    /// Where answers are heard.
    pub subscribe: &'static str,
}

/// A git server publishes deliveries, asks which streams there are and whether any delivery waits, and reads outcomes by the ids of spool and
/// delivery, which are random; it reads no delivery. A worker does the rest, but publishes no delivery that would be in order.
pub const PERMISSIONS: [Permissions; 2] = [
    Permissions {
        role: "git-server",
        publish: &["gw.d.>", "$JS.API.STREAM.INFO.GW", "$JS.API.STREAM.NAMES", "$JS.API.DIRECT.GET.GWO.gw.o.>"],
        subscribe: "_INBOX.gw-server.>",
    },
    Permissions {
        role: "worker",
        publish: &[
            "gw.r.>",
            "gw.x.>",
            "gw.o.>",
            "$JS.API.STREAM.INFO.GW",
            "$JS.API.STREAM.MSG.GET.GWO",
            "$JS.API.STREAM.MSG.DELETE.GW",
            "$JS.API.DIRECT.GET.GW",
            "$JS.API.CONSUMER.LIST.GW",
            "$JS.API.CONSUMER.INFO.GW.*",
            "$JS.API.CONSUMER.DURABLE.CREATE.GW.*",
            "$JS.API.CONSUMER.DELETE.GW.*",
            "$JS.API.CONSUMER.MSG.NEXT.GW.*",
            "$JS.ACK.GW.>",
        ],
        subscribe: "_INBOX.gw-worker.>",
    },
];

impl Permissions {
    /// In the words of nats-server's configuration.
    pub fn to_configuration(&self) -> String {
        let list: Vec<_> = self.publish.iter().map(|subject| format!("\"{subject}\"")).collect();
        format!("permissions: {{ publish: [{}], subscribe: [\"{}\"] }}", list.join(", "), self.subscribe)
    }
}
