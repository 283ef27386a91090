/** Talking to nodes by HTTP, before there is a connection: which nodes there are, and the way in. */

import { StarlingError } from "./errors.js";

const HTTP_DEADLINE = 8_000;

/**
 * @typedef {object} Candidate A node, as `GET /v1/nodes` gives it, and what this browser measured.
 * @property {string} node
 * @property {string} url
 * @property {string} region
 * @property {string[]} why
 * @property {number | null} measured Round trip in ms, the middle of a few; null when not measured or not reached.
 */

/**
 * GET, or POST when there is a body.
 * @param {string} base @param {string} path @param {object} [body]
 * @returns {Promise<any>}
 */
export const call = async (base, path, body) => (await exchange(base, path, body)).answer;

/** What was answered, and the URL that answered, which is another one than was asked after a redirect. */
async function exchange(base, path, body) {
  const unreachable = `${new URL(base).host} does not answer. Check the connection and try again.`;
  let response;
  let answer;
  try {
    response = await fetch(new URL(path, base), {
      method: body ? "POST" : "GET",
      headers: body ? { "content-type": "application/json" } : {},
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(HTTP_DEADLINE),
      cache: "no-store",
    });
    answer = await response.json();
  } catch {
    throw new StarlingError("node_unreachable", unreachable);
  }
  if (response.ok) return { answer, from: response.redirected ? new URL(response.url).origin : null };
  const { code = "internal_error", message = unreachable } = answer?.error ?? {};
  throw new StarlingError(code, message, null, 1000 * (Number(response.headers?.get("retry-after")) || 0));
}

/** @param {string} url */
export const socketUrl = (url) => new URL("/v1/session", url.replace(/^http/, "ws")).href;

/**
 * Ask a node for candidates, in the order that suits what was measured.
 * @param {string} base @param {string} room @param {Map<string, number>} [rtts] ms by the node's name
 * @returns {Promise<any[]>}
 */
export async function askForNodes(base, room, rtts = new Map()) {
  return (await call(base, `/v1/nodes?${placementOf(room, rtts)}`)).nodes;
}

/**
 * Get a session token. A node that knows a clearly nearer one answers 307, and the browser follows: no page may see where
 * a redirect leads (Fetch standard, "opaque-redirect filtered response"), nor does it need to, as a 307 keeps the body and
 * the user token lies in the body. An `Authorization` header would be dropped on the way to another origin.
 * @param {string} base @param {object} body
 * @param {{stay: boolean, room: string, rtts: Map<string, number>}} where `stay`: it has to be this node.
 * @returns {Promise<{token: string, sentTo: string | null}>} `sentTo`: URL of the node that we were sent on to
 * @throws {StarlingError}
 */
export async function createSession(base, body, { stay, room, rtts }) {
  const here = () => exchange(base, "/v1/sessions?stay=1", body);
  const asked = stay ? here() : exchange(base, `/v1/sessions?${placementOf(room, rtts)}`, body).catch((error) => {
    // The node that we were sent to may be the one that does not answer, which looks the same from here.
    if (error.code !== "node_unreachable") throw error;
    return here();
  });
  const { answer, from } = await asked;
  return { token: answer.token, sentTo: from };
}

/** What a node is told of where we are. */
function placementOf(room, rtts) {
  const query = new URLSearchParams({ room });
  for (const [node, ms] of rtts) query.append("rtt", `${node}:${ms.toFixed(1)}`);
  return query;
}
