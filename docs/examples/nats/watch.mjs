// Watches the live balances of a ledger: first what there is, then every change.
//
//   npm ci && node watch.mjs nats://127.0.0.1:4222 'NOR.*.*.allocated.>'
//
// Keys and values are those of docs/guides/live.md. Amounts are decimal text: never make JavaScript numbers of them.
import { connect } from "@nats-io/transport-node";
import { Kvm } from "@nats-io/kv";

const [servers = "nats://127.0.0.1:4222", key = ">"] = process.argv.slice(2);
const connection = await connect({ servers, maxReconnectAttempts: -1, name: "watch balances" });
const balances = await new Kvm(connection).open("balances");
const changes = await balances.watch({ key });

process.once("SIGTERM", () => connection.close());

for await (const change of changes) {
  if (change.key === "mark") { // all before it is true at its position
    const mark = change.json();
    console.log(`as of position ${mark.position} of log ${mark.log_id}`);
  } else if (change.operation !== "PUT") {
    console.log(`${change.key} is gone`);
  } else {
    const b = change.json();
    const amount = b.asset === null ? `${b.unknown} undisclosed` : `reached ${b.reached}, stands at ${b.standing} ${b.asset}`;
    console.log(`${b.donor} ${b.category} ${b.instrument} ${b.stage}: ${amount}`);
  }
}
