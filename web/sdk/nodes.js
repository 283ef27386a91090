/** Talking to nodes before there is a connection: HTTP, and finding the nearest by measuring. */

import { StarlingError } from "./errors.js";

const HTTP_DEADLINE = 8_000;

/** Probing: nodes measured at once, pings each, and ms for all of it together. */
const PROBED_NODES = 5;
const PROBE_PINGS = 3;
const PROBE_DEADLINE = 2_000;
/** Two round trips closer than this (ms) are the same; then the node's own order counts. */
const RTT_TIE = 8;

/**
 * @typedef {object} Candidate A node, as `GET /v1/nodes` gives it, and what this browser measured.
 * @property {string} node
 * @property {string} url
 * @property {string} region
 * @property {string[]} why
 * @property {number | null} measured Round trip in ms; null when not measured or not reached.
 */

/**
 * GET, or POST when there is a body.
 * @param {string} base @param {string} path @param {object} [body]
 */
export async function call(base, path, body) {
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
  if (response.ok) return answer;
  const { code = "internal_error", message = unreachable } = answer?.error ?? {};
  throw new StarlingError(code, message, null, 1000 * (Number(response.headers?.get("retry-after")) || 0));
}

/** @param {string} url */
export const socketUrl = (url) => new URL("/v1/session", url.replace(/^http/, "ws")).href;

/**
 * Measure the round trip to a node, in ms: the best of a few pings. Null when it does not answer in time.
 * @param {string} url
 * @returns {Promise<number | null>}
 */
export function probe(url) {
  return new Promise((resolve) => {
    let best = null;
    let sent = 0;
    let at = 0;
    let timer = 0;
    let socket;
    try {
      socket = new WebSocket(socketUrl(url));
    } catch {
      resolve(null); // no valid address, or plain ws from a page that came by https
      return;
    }
    const finish = () => {
      clearTimeout(timer);
      socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
      socket.close();
      resolve(best);
    };
    const ping = () => {
      if (sent === PROBE_PINGS) return finish();
      sent += 1;
      at = performance.now();
      socket.send(JSON.stringify({ topic: "ping", id: sent }));
    };
    timer = setTimeout(finish, PROBE_DEADLINE);
    socket.onopen = ping;
    socket.onerror = socket.onclose = finish;
    socket.onmessage = () => {
      const rtt = performance.now() - at;
      best = best === null ? rtt : Math.min(best, rtt);
      ping();
    };
  });
}

/**
 * Ask a node for candidates and measure the first few, all at once; the best comes first.
 * @param {string} base
 * @param {string} room
 * @returns {Promise<Candidate[]>}
 */
export async function findNodes(base, room) {
  const { nodes } = await call(base, `/v1/nodes?room=${encodeURIComponent(room)}`);
  const measured = await Promise.all(
    nodes.map(async (node, place) => ({ ...node, place, measured: place < PROBED_NODES ? await probe(node.url) : null })),
  );
  const reached = measured.filter((node) => node.measured !== null);
  const best = Math.min(...reached.map((node) => node.measured));
  // The node's order knows load and where the room lives: it decides among those that are about as near as the nearest.
  const near = reached.filter((node) => node.measured <= best + RTT_TIE).sort((a, b) => a.place - b.place);
  const far = reached.filter((node) => !near.includes(node)).sort((a, b) => a.measured - b.measured);
  const rest = measured.filter((node) => node.measured === null);
  return [...near, ...far, ...rest];
}
