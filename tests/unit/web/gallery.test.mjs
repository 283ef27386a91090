// The tiles of a call, on a page of a few lines.

import assert from "node:assert/strict";
import { test } from "node:test";

/** As much of an element as a tile needs. */
class FakeElement {
  style = { setProperty() {} };
  dataset = {};
  textContent = "";
  children = [];
  attributes = {};
  clientWidth = 800;
  clientHeight = 600;
  classList = { toggle() {}, contains: () => false };
  get childElementCount() {
    return this.children.length;
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  append(...children) {
    this.children.push(...children);
  }
  prepend(...children) {
    this.children = [...children, ...this.children.filter((child) => !children.includes(child))];
  }
  querySelectorAll() {
    return [];
  }
  addEventListener() {}
  remove() {}
}
globalThis.document = { createElement: () => new FakeElement(), createElementNS: () => new FakeElement() };
globalThis.ResizeObserver = class {
  observe() {}
};
globalThis.MediaStream = class {};

const { Gallery } = await import("../../../web/gallery.js");

/** A room that we are in, on a node, and what it says. */
class FakeRoom extends EventTarget {
  name = "Ada";
  home = { node: "a", region: "europe" };
  participants = new Map();
  say(name, detail = {}) {
    this.dispatchEvent(Object.assign(new Event(name), { detail }));
  }
}

for (const news of ["moved", "resumed"]) {
  test(`our own tiles say on which node we are after the room ${news}`, () => {
    const grid = new FakeElement();
    const gallery = new Gallery(grid, { blocked() {}, choose() {} });
    const room = new FakeRoom();
    gallery.listen(room);
    gallery.enter({ id: "pa_me", name: "Ada", ...room.home });
    gallery.share({}, { id: "me", name: "Ada", ...room.home });
    room.say("participantjoined", { participant: { id: "pa_grace", name: "Grace", node: "a", region: "europe" } });
    const labels = () => grid.children.map(({ attributes }) => attributes["aria-label"]).sort();
    assert.deepEqual(labels(), ["Ada (you), on node a", "Ada: screen (you), on node a", "Grace, on node a"]);
    room.home = { node: "b", region: "asia" };
    room.say(news);
    assert.deepEqual(labels(), ["Ada (you), on node b", "Ada: screen (you), on node b", "Grace, on node a"]);
    assert.equal(gallery.own.node.textContent, "b");
  });
}
