/** How large tiles are: all alike, or shared screens large and people small beside or below them. Touches no page. */

export const GAP = 10;
const RATIO = 16 / 9;
/** Pixels across below which nobody is recognized. */
const SMALLEST = 148;
/** Of the width, for a person beside a shared screen; and the pixels that are enough. */
const BESIDE = 0.18;
const LARGEST_BESIDE = 240;
/** Of the height, for screens above people. */
const ABOVE = 0.7;

/**
 * @typedef {object} Arrangement
 * @property {"even" | "beside" | "below"} people Where they are.
 * @property {number} tile Pixels across of a person.
 * @property {number} screen Likewise of a shared screen.
 */

/**
 * Give everything the greatest width at which it fits without scrolling, if there is one.
 * @param {{width: number, height: number, people: number, screens: number}} stage Its pixels, and how many are on it.
 * @returns {Arrangement}
 */
export function arrange({ width, height, people, screens }) {
  const least = Math.min(SMALLEST, (width - GAP) / 2);
  if (screens === 0 || people === 0) {
    const tile = Math.floor(Math.max(even(width, height, people + screens), least));
    return { people: "even", tile, screen: tile };
  }
  const stacked = (lines) => ((lines - GAP * (screens - 1)) / screens) * RATIO;
  if (width < height) {
    const screen = Math.floor(Math.max(Math.min(width, stacked(height * ABOVE)), least));
    return { people: "below", tile: Math.floor(least), screen };
  }
  const tile = Math.floor(Math.min(Math.max(width * BESIDE, least), LARGEST_BESIDE));
  const each = Math.max(1, Math.floor((height + GAP) / (tile / RATIO + GAP)));
  const columns = Math.ceil(people / each);
  // One gap more than columns: the break behind the screens is a column without width.
  const left = width - columns * tile - (columns + 1) * GAP;
  // With a crowd the people scroll, not the screen out of sight.
  return { people: "beside", tile, screen: Math.floor(Math.min(Math.max(left, width / 2), stacked(height))) };
}

function even(width, height, count) {
  let best = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const fitting = Math.min((width - GAP * (columns - 1)) / columns, ((height - GAP * (rows - 1)) / rows) * RATIO);
    best = Math.max(best, fitting);
  }
  return best;
}
