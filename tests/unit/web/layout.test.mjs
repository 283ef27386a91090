// How large tiles are: everything fits where it can, and a shared screen is what is looked at.

import assert from "node:assert/strict";
import { test } from "node:test";

const { GAP, arrange } = await import("../../../web/layout.js");

const stage = { width: 1280, height: 700 };

test("people alone are all alike and fit", () => {
  for (let people = 1; people <= 16; people += 1) {
    const { tile, people: where } = arrange({ ...stage, people, screens: 0 });
    const columns = Math.floor((stage.width + GAP) / (tile + GAP));
    const rows = Math.ceil(people / columns);
    assert.equal(where, "even");
    assert.ok(rows * ((tile * 9) / 16 + GAP) - GAP <= stage.height, `${people} people`);
  }
});

test("a shared screen has most of the stage, and people fit beside it", () => {
  for (let people = 1; people <= 8; people += 1) {
    const { people: where, tile, screen } = arrange({ ...stage, people, screens: 1 });
    const each = Math.floor((stage.height + GAP) / ((tile * 9) / 16 + GAP));
    const columns = Math.ceil(people / each);
    assert.equal(where, "beside");
    assert.ok(screen + columns * tile + (columns + 1) * GAP <= stage.width, `${people} people`);
    assert.ok(screen >= stage.width / 2 && screen > 2 * tile);
    assert.ok((screen * 9) / 16 <= stage.height);
  }
});

test("on an upright telephone people are below the screen, which is as wide as it", () => {
  const { people, screen, tile } = arrange({ width: 390, height: 700, people: 3, screens: 1 });
  assert.deepEqual([people, screen], ["below", 390]);
  assert.ok(2 * tile + GAP <= 390);
});

test("several screens share the height", () => {
  const { screen } = arrange({ ...stage, people: 2, screens: 2 });
  assert.ok(2 * ((screen * 9) / 16) + GAP <= stage.height);
});
