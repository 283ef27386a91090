"""How the page looks: light or dark as the reader's system is, wide or narrow as the screen is.

The six colours of scenarios keep apart for people who do not tell red from green (after M. Okabe and K. Ito, "Color
universal design", 2008; lighter in the dark), and each has a dash and a marker besides.
"""

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #f4f5fa; --raised: #ffffff; --sunken: #eceef6; --ink: #171a2b; --faint: #5b6079; --line: #d9dcea;
  --accent: #3b3fd8; --good: #16794c; --sea: #eef1f9; --land: #c5cbe0;
  --shadow: 0 1px 2px #1114220f, 0 12px 32px #11142212;
  --c0: #2a5bd7; --c1: #cf5300; --c2: #00805e; --c3: #a33b8f; --c4: #7a6400; --c5: #44506b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f111b; --raised: #191c2a; --sunken: #232738; --ink: #eceefa; --faint: #a3a9c4; --line: #31364c;
    --accent: #a5a9ff; --good: #5fd39b; --sea: #141724; --land: #3c4360;
    --shadow: 0 1px 2px #0006, 0 12px 32px #0005;
    --c0: #7fb0ff; --c1: #ffa24d; --c2: #45d6a4; --c3: #f093dc; --c4: #e6cf5a; --c5: #aab6d3;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); line-height: 1.55; font-size: 16px;
  font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere;
}
main { max-width: 1144px; margin: 0 auto; padding: 40px 24px 72px; }
header { padding: 8px 0 4px; }
.eyebrow { color: var(--faint); font-size: 14px; margin: 0; }
h1 { font-size: clamp(26px, 4.2vw, 42px); line-height: 1.14; letter-spacing: -0.022em; margin: 10px 0 6px;
  text-wrap: balance; }
h1 .verdict { color: var(--accent); }
.sentences { margin: 14px 0 0; padding: 0; list-style: none; max-width: 76ch; }
.sentences li { margin: 6px 0; }
.facts { display: flex; flex-wrap: wrap; gap: 8px; margin: 20px 0 0; padding: 0; list-style: none; font-size: 14px; }
.facts li { background: var(--sunken); border-radius: 999px; padding: 3px 12px; color: var(--faint); }
.facts b { color: var(--ink); font-weight: 600; }
h2 { font-size: 22px; letter-spacing: -0.012em; margin: 52px 0 4px; }
h2 + p { margin: 0 0 16px; color: var(--faint); max-width: 76ch; }
h3 { font-size: 16px; margin: 0 0 4px; }
.panel { background: var(--raised); border-radius: 16px; box-shadow: var(--shadow); padding: 20px; margin: 0 0 16px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 16px; }
.cards .panel { margin: 0; display: flex; flex-direction: column; gap: 10px; }
.cards h3 { display: flex; align-items: baseline; gap: 8px; margin: 0; }
.cards h3 small { color: var(--faint); font-weight: 400; font-size: 13px; }
.cards p { margin: 0 0 4px; font-size: 14px; color: var(--faint); line-height: 1.45; }
.cards svg { margin-top: auto; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
svg.chart { display: block; width: 100%; height: auto; font: 12px system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .tick, svg .degrees { fill: var(--faint); }
svg .degrees { font-size: 10px; opacity: .75; }
.grid { stroke: var(--line); stroke-width: 1; }
.base { stroke: var(--faint); stroke-width: 1; }
.s0 { --c: var(--c0); --dash: none; } .s1 { --c: var(--c1); --dash: 8 4; } .s2 { --c: var(--c2); --dash: 2.5 3.5; }
.s3 { --c: var(--c3); --dash: 10 3 2 3; } .s4 { --c: var(--c4); --dash: 14 5; }
.s5 { --c: var(--c5); --dash: 5 2 1 2 1 2; }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-dasharray: var(--dash); stroke-linejoin: round; }
.band { fill: var(--c); opacity: .13; stroke: none; }
.marker { fill: var(--c); stroke: var(--raised); stroke-width: 1.5; }
.track { stroke: var(--sunken); stroke-width: 16; stroke-linecap: round; }
.repeat { stroke: var(--c); stroke-width: 1.5; opacity: .45; }
.interval { stroke: var(--c); stroke-width: 5; stroke-linecap: round; opacity: .55; }
svg .name, svg .figure { paint-order: stroke; stroke: var(--raised); stroke-width: 5px; stroke-linejoin: round; }
svg .name { font-size: 13px; }
svg .figure { font-size: 12.5px; fill: var(--faint); }
svg .leads { fill: var(--ink); font-weight: 650; }
.happening line { stroke: var(--faint); stroke-dasharray: 2 3; }
.happening circle { fill: var(--faint); }
svg .happening text { fill: var(--raised); font-size: 11px; font-weight: 700; }
.titled { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 20px; margin: 0 0 8px; }
.titled .legend { margin: 0; }
.legend {
  display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 14px; padding: 0; list-style: none; font-size: 14px;
}
.legend li { display: flex; align-items: center; gap: 8px; }
.legend svg { width: 44px; height: 14px; flex: none; }
.sea { fill: var(--sea); }
.land { stroke: var(--land); stroke-linecap: round; fill: none; }
.graticule { stroke: var(--line); stroke-width: .75; opacity: .8; }
.equator { stroke: var(--faint); opacity: .4; }
.way { fill: none; stroke: var(--c); stroke-width: 3; stroke-dasharray: var(--dash); stroke-linecap: butt; }
.node { fill: var(--ink); stroke: var(--sea); stroke-width: 2; }
.person { fill: var(--sea); stroke: var(--ink); stroke-width: 3; }
.person.within { stroke: none; }
.pill { fill: var(--sea); stroke: var(--line); }
svg .host { font-size: 13px; font-weight: 650; }
svg .step { font-size: 12px; }
svg .host { paint-order: stroke; stroke: var(--sea); stroke-width: 4px; stroke-linejoin: round; }
.panel > details > summary { margin-top: 16px; cursor: pointer; font-weight: 600; }
.ways { margin-top: 18px; display: grid; gap: 22px; }
.way-name {
  display: flex; justify-content: space-between; gap: 12px; flex-wrap: wrap; font-size: 14px; margin: 0 0 8px;
}
.way-name span { color: var(--faint); }
.stations { display: flex; margin: 0; padding: 0; list-style: none; font-size: 13px; }
.stations li { min-width: 0; }
.station { flex: none; display: flex; flex-direction: column; align-items: center; gap: 5px; font-weight: 600; }
.station { background: linear-gradient(var(--c), var(--c)) no-repeat 0 8px / 100% 5px; }
.station:first-child { background-size: 50% 5px; background-position: 100% 8px; }
.station:last-child { background-size: 50% 5px; }
.station::before {
  content: ""; box-sizing: border-box; width: 20px; height: 20px; border-radius: 6px; background: var(--ink);
  border: 4px solid var(--ink);
}
.station.human::before { border-radius: 50%; background: var(--raised); }
.hop { flex-shrink: 1; flex-basis: 116px; padding: 0 6px; text-align: center; color: var(--faint); line-height: 1.35; }
.hop::before { content: ""; display: block; height: 5px; margin: 8px -7px; background: var(--c); }
.hop b { color: var(--ink); font-weight: 600; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td {
  text-align: right; padding: 8px 10px; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap;
}
th { font-weight: 600; color: var(--faint); font-size: 13px; }
th:first-child, td:first-child { text-align: left; }
tbody th { color: var(--ink); font-size: 14px; }
tbody th small { color: var(--faint); font-weight: 400; }
tbody tr:last-child > * { border-bottom: 0; }
table + h3, .scroll + h3 { margin: 28px 0 8px; }
td.leads { font-weight: 650; }
td.leads::before { content: "★ "; color: var(--good); }
details { margin: 0 0 10px; }
details.panel { padding: 0; }
details.panel > summary { padding: 14px 20px; cursor: pointer; font-weight: 600; }
details.panel > div { padding: 0 20px 16px; }
dl { margin: 0; display: grid; grid-template-columns: minmax(120px, 220px) 1fr; gap: 8px 20px; font-size: 14px; }
dt { font-weight: 600; } dd { margin: 0; color: var(--faint); }
.method p { max-width: 76ch; margin: 0 0 12px; font-size: 15px; }
.happenings { font-size: 14px; color: var(--faint); padding-left: 22px; margin: 12px 0 0; }
footer { color: var(--faint); font-size: 13px; margin-top: 40px; }
.narrow { display: none !important; }
@media (max-width: 720px) {
  main { padding: 20px 14px 48px; }
  .narrow { display: block !important; } .wide { display: none !important; }
  .panel { padding: 14px; border-radius: 14px; }
  .pair { grid-template-columns: 1fr; }
  h2 { margin-top: 38px; }
  th, td { padding: 7px 8px; } table { font-size: 13px; }
  th:first-child { position: sticky; left: 0; background: var(--page); white-space: normal; max-width: 120px; }
  details th:first-child { background: var(--raised); }
  dl { grid-template-columns: 1fr; gap: 2px; } dd { margin-bottom: 10px; }
  .stations { flex-direction: column; }
  .station { flex-direction: row; gap: 10px; }
  .hop { flex-basis: auto; text-align: left; padding: 3px 0 3px 22px; margin-left: 8px;
    border-left: 4px solid var(--c); }
  .hop::before { display: none; } .stations .station { background: none; } .hop b { display: inline; }
}
@media print {
  body { background: #fff; } .panel { box-shadow: none; border: 1px solid var(--line); break-inside: avoid; }
}
"""
