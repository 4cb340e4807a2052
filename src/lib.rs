//! Live statistics of an Apache Traffic Server cluster, from its binary logs.
//!
//! Bytes from Traffic Server nodes become numbers that an operator sees within a second. All code lies along one line, and data
//! only ever moves to the right:
//!
//! ```text
//! socket ─► frame ─► segment ─► entry ─► tally ─► merge ─► view ─► delta ─► websocket ─► chart
//! └─────── wire (pure) ──────┘ └ tally (pure) ┘ └ merger ┘ └──── page ────┘ └──── web ────┘
//! ```
//!
//! A room uses only what this map lets it use, which `tests/house.rs` checks. `source` fills what `wire` and `tally` work on: a
//! worker a core, nothing of which is shared, hands its part to the merger on each tick.
//!
//! | room | what it does | uses |
//! |---|---|---|
//! | `wire` | bytes to entries and back: frames, segments, decode plans, text lines, printing, codes, hosts and sites | nothing |
//! | `tally` | entries to numbers: counts, tables, a sample of URLs, and the parts that workers hand over | `wire` |
//! | `source` | reads collation connections and growing files, a worker a core, and files as blocks; the only io_uring code | `wire`, `tally`, `clock`, `secret` |
//! | `merger` | adds up all workers' parts on each tick, and publishes a snapshot | `tally`, `clock` |
//! | `view` | from a snapshot, what one subscription shows, and what changed since | `wire`, `tally`, `merger` |
//! | `page` | the embedded page, the live stream, the JSON API, metrics and health | `tally`, `merger`, `view` |
//! | `engine` | source and merger put together, started and stopped in order | `tally`, `source`, `merger`, `clock`, `secret` |
//! | `cat` | prints the entries of files as Traffic Server does, or as JSON | `wire`, `source`, `parallel`, `system`, `zone` |
//! | `report` | figures from files: those of the live page by the engine's own tables, in the API's shapes, and those of `traffic_logstats` | `wire`, `tally`, `source`, `merger`, `view`, `page`, `clock`, `system`, `zone` |
//! | `replay` | sends captured streams again | `wire`, `secret` |
//! | `demo` | made-up traffic, and the connections it comes over | `wire`, `secret` |
//! | `parallel` | work on many items at once, results in order | nothing |
//! | `clock` | the engine's one clock | nothing |
//! | `secret` | the secret that nodes must say: where it is from, and comparing it | `wire` |
//! | `system` | what this process may use of the machine | nothing |
//! | `zone` | the local time zone | `wire` |
//! | `cli` | commands and options | everything |

pub mod cat;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod engine;
pub mod merger;
pub mod page;
pub mod parallel;
pub mod replay;
pub mod report;
pub mod secret;
pub mod source;
pub mod system;
pub mod tally;
pub mod view;
pub mod wire;
pub mod zone;
