// The empty state: how to point Traffic Server here. Shown until the first node connects, never again in that run.

import * as format from "../data/format";
import type { StatusView } from "../data/protocol";
import { element, write } from "../dom";
import { causeInWords } from "./causes";

/** Code is a list of texts; one in an array of its own is this machine's, and stands out. */
type Code = readonly (string | readonly [string])[];

const FORMAT = "'%<cqtq> %<ttms> %<chi> %<crc>/%<pssc> %<psql> %<cqhm> %<cquc> %<caun> %<phr>/%<shn> %<psct>'";

function logging(address: string): Code {
  return [
    `formats:
  - name: visulate
    format: ${FORMAT}
logs:
  - filename: visulate
    format: visulate
    mode: binary
    filters: []          # 8.1 ignores collation_hosts without this key
    collation_hosts:
      - host: `,
    [address],
    "\n",
  ];
}

const SECRET: Code = ["CONFIG proxy.config.log.collation_secret STRING ", ["your-secret"], "\n"];
const RELOAD: Code = ["traffic_ctl config reload\n"];
const TAIL: Code = ["visulate --tail ", ["/var/log/trafficserver/squid.blog"], "\n"];

export function guide(root: HTMLElement): (status: StatusView, now: number, utc: boolean) => void {
  const facts = ["collation streams", "secret", "last connection attempt", "this page"].map((name) => {
    const value = element("dd");
    return { value, node: element("div", {}, element("dt", {}, name), value) };
  });
  const steps = element("ol", { class: "steps" });
  const older = element("div", { class: "older" });
  root.append(
    element("h2", { id: "guide-title" }, "Waiting for the first Traffic Server"),
    element(
      "p",
      { class: "lead" },
      "The engine is running and listening; no node has connected yet. Point your nodes here as shown below. This page fills by itself within a second of the first record.",
    ),
    element("dl", { class: "facts" }, ...facts.map((fact) => fact.node)),
    element(
      "div",
      { class: "ways" },
      element("section", { "aria-labelledby": "guide-8" }, heading("guide-8", "Traffic Server 8.0 and 8.1", "built-in log collation"), steps, older),
      element(
        "section",
        { "aria-labelledby": "guide-9" },
        heading("guide-9", "Traffic Server 9 and 10", "collation was removed"),
        element("p", {}, "From version 9 on, Traffic Server only writes its logs to files. Run the engine on that machine and let it follow the binary log; the default one will do:"),
        element("ol", { class: "steps" }, step(["Started so, it counts what is logged from then on:"], TAIL)),
        element("p", {}, "With ", code("--from-start"), " it also counts what the file holds already."),
      ),
    ),
  );
  let built = "";

  return (status, now, utc) => {
    const secret = status.secret === "default" ? "default, change it" : status.secret === "" ? format.MISSING : status.secret;
    const texts = [status.collationAddresses || "nothing", secret, attempt(status, now, utc), status.pageAddresses || location.host];
    facts.forEach((fact, i) => write(fact.value, texts[i] ?? ""));
    const key = JSON.stringify([status.ownAddress, status.secret]);
    if (key !== built) {
      built = key;
      steps.replaceChildren(...stepsFor(status));
      older.replaceChildren(...olderFor(status.ownAddress));
    }
  };
}

function attempt(status: StatusView, now: number, utc: boolean): string {
  const { lastRefused } = status;
  if (lastRefused === null) {
    const ago = format.seconds(Math.max(0, now - status.countingSince)).replace(/\.\d/, "");
    return `none since start, ${ago} ago`;
  }
  return `${format.clock(lastRefused.at * 1000, utc)} from ${format.shown(lastRefused.peer)}, refused: ${causeInWords(lastRefused.cause)}`;
}

function stepsFor({ ownAddress, secret }: StatusView): HTMLElement[] {
  const secretText: (Node | string)[] =
    secret === "default"
      ? ["The engine still uses the secret that Traffic Server has by default, so the nodes need none yet. Better start it with ", code("VISULATE_SECRET"), " and give the same in ", code("records.config"), " on every node:"]
      : ["Give the engine's secret in ", code("records.config"), " on every node:"];
  return [
    step(["In ", code("logging.yaml"), " on every node:"], logging(ownAddress)),
    step(secretText, SECRET),
    step(["Let the node read it; it appears above with its first record. A changed port or secret needs a restart of the node."], RELOAD),
  ];
}

function olderFor(address: string): HTMLElement[] {
  const [host, port] = split(address);
  return [
    element(
      "details",
      {},
      element("summary", {}, "Traffic Server 7"),
      element("p", {}, "In ", code("logging.config"), ", the log's table names the host: ", code(`CollationHosts = { '${address}' }`), " beside ", code("Format"), " and ", code("Filename"), " of a ", code("log.binary"), "."),
    ),
    element(
      "details",
      {},
      element("summary", {}, "Traffic Server 6 and older"),
      element(
        "p",
        {},
        "In ",
        code("logs_xml.config"),
        ", a binary ",
        code("LogObject"),
        " with ",
        code(`<CollationHosts = "${address}"/>`),
        "; before 6, the predefined formats also go with ",
        code("proxy.local.log.collation_mode INT 2"),
        ", ",
        code(`proxy.config.log.collation_host STRING ${host}`),
        " and ",
        code(`proxy.config.log.collation_port INT ${port}`),
        " in ",
        code("records.config"),
        ".",
      ),
    ),
  ];
}

function split(address: string): [host: string, port: string] {
  const at = address.lastIndexOf(":");
  return at < 0 ? [address, "8085"] : [address.slice(0, at), address.slice(at + 1)];
}

function heading(id: string, text: string, note: string): HTMLElement {
  return element("h3", { id }, text, " ", element("small", {}, note));
}

function code(text: string): HTMLElement {
  return element("code", {}, text);
}

function step(text: (Node | string)[], lines: Code): HTMLElement {
  const plain = lines.map((part) => (typeof part === "string" ? part : part[0])).join("");
  const copy = element("button", { type: "button", class: "copy" }, "Copy");
  const pre = element("pre", { tabindex: "0" }, ...lines.map((part) => (typeof part === "string" ? part : element("b", {}, part[0]))));
  copy.addEventListener("click", () => void copyText(plain, pre).then((done) => write(copy, done ? "Copied" : "Selected")));
  return element("li", {}, element("div", { class: "text" }, element("p", {}, ...text), copy), pre);
}

/** Copies, or where the browser forbids it (a page not from localhost or HTTPS) selects for the user to copy. */
async function copyText(text: string, shown: Node): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}
