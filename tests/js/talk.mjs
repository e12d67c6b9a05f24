// Two matrix-js-sdk clients register, meet in a room and talk: node talk.mjs URL [encrypted].
// Prints one JSON object with what each of them heard; ends with status 1 when anything fails.

import * as sdk from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";

const PATIENCE_MS = 60_000;
const ENCRYPTION = {
  type: "m.room.encryption",
  state_key: "",
  content: { algorithm: "m.megolm.v1.aes-sha2" },
};

logger.setLevel?.("error");

/** Register a user and start syncing; `encrypted` makes the client ready to encrypt. */
async function registered(baseUrl, name, encrypted) {
  const made = await sdk
    .createClient({ baseUrl })
    .registerRequest({ username: name, password: "wreath-Orbit-17-lantern", auth: { type: "m.login.dummy" } });
  const client = sdk.createClient({
    baseUrl,
    userId: made.user_id,
    deviceId: made.device_id,
    accessToken: made.access_token,
  });
  if (encrypted) await client.initRustCrypto({ useIndexedDB: false });
  await client.startClient();
  await until(() => client.isInitialSyncComplete());
  return client;
}

/** Wait until `condition` holds. */
async function until(condition) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in ${PATIENCE_MS} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Keep every text that reaches a client, with its sender and how it travelled. */
function listen(client) {
  const heard = [];
  const keep = (event) => {
    if (event.getType() !== "m.room.message" || event.getSender() === client.getUserId()) return;
    heard.push({
      sender: event.getSender(),
      text: event.getContent().body,
      encrypted: event.isEncrypted(),
      on_the_wire: event.getWireType(),
    });
  };
  client.on("Room.timeline", (event) => keep(event));
  client.on("Event.decrypted", (event) => keep(event));
  return heard;
}

async function talk(baseUrl, encrypted) {
  const alice = await registered(baseUrl, "alice", encrypted);
  const bob = await registered(baseUrl, "bob", encrypted);
  const heard = { alice: listen(alice), bob: listen(bob) };
  const { room_id } = await alice.createRoom({
    name: "Kitchen",
    invite: [bob.getUserId()],
    initial_state: encrypted ? [ENCRYPTION] : [],
  });
  await until(() => bob.getRoom(room_id)?.getMyMembership() === "invite");
  await bob.joinRoom(room_id);
  for (const client of [alice, bob]) {
    await until(() => client.getRoom(room_id)?.getJoinedMembers().length === 2);
  }
  await alice.sendTextMessage(room_id, "Dinner is ready");
  await until(() => heard.bob.length === 1);
  await bob.sendTextMessage(room_id, "On my way");
  await until(() => heard.alice.length === 1);
  console.log(JSON.stringify({ room: bob.getRoom(room_id).name, ...heard }));
}

const [url, mode] = process.argv.slice(2);
talk(url, mode === "encrypted").then(
  () => process.exit(0), // the clients go on syncing otherwise
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
