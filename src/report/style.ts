/** The page's only style sheet: system fonts, light and dark, phone to print. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: #f6f7f9; --card: #fff; --text: #1b1f24; --muted: #5b6470; --line: #dfe3e8; --grid: #e8ebef;
  --accent: #0b5fa5; --good: #0a7a45; --good-bg: #e4f5ec; --bad: #b3261e; --bad-bg: #fdebe9; --del-bg: #fbeceb;
  --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #b0578d; --s4: #8a6d00; --s5: #56b4e9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #111418; --card: #1a1e24; --text: #e7eaee; --muted: #a3acb8; --line: #313842; --grid: #2a3038;
    --accent: #7cc0ff; --good: #5fd69a; --good-bg: #12301f; --bad: #ff9a91; --bad-bg: #3a1a18; --del-bg: #34201f;
    --s0: #5cb8f0; --s1: #ff9a4d; --s2: #3ed6a4; --s3: #f0a3cf; --s4: #e5c74b; --s5: #9ad7ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 44px; }
.eyebrow { margin: 0; color: var(--accent); font-size: 13px; font-weight: 650; letter-spacing: .08em; text-transform: uppercase; }
h1 { margin: 6px 0 10px; font-size: clamp(26px, 4.6vw, 38px); line-height: 1.15; letter-spacing: -.015em; text-wrap: balance; }
h2 { margin: 44px 0 14px; font-size: 22px; letter-spacing: -.01em; }
h3 { margin: 0 0 4px; font-size: 18px; line-height: 1.35; overflow-wrap: anywhere; }
h4 { margin: 18px 0 6px; font-size: 13px; font-weight: 650; color: var(--muted); }
p { margin: 0 0 10px; }
.summary { max-width: 72ch; color: var(--muted); font-size: 17px; overflow-wrap: anywhere; }
.note { margin: 12px 0 0; max-width: 80ch; color: var(--muted); font-size: 14px; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.tiles { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); margin: 26px 0 0; padding: 0; list-style: none; }
.tile { padding: 16px 18px; }
.tile span { display: block; color: var(--muted); font-size: 14px; overflow-wrap: anywhere; }
.tile strong { display: block; font-size: 32px; line-height: 1.2; font-weight: 680; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.tile.up strong { color: var(--good); } .tile.down strong { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { padding: 12px; text-align: left; color: var(--muted); font-size: 14px; }
th, td { padding: 10px 12px; border-top: 1px solid var(--line); text-align: right; white-space: nowrap; vertical-align: top; }
thead th { font-size: 13px; color: var(--muted); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
th[scope=row] { font-weight: 600; }
.scroll th:first-child { position: sticky; left: 0; background: var(--card); white-space: normal; min-width: 90px; }
td.total, th.total { background: color-mix(in srgb, var(--accent) 7%, transparent); font-weight: 650; }
td small, th small { display: block; color: var(--muted); font-weight: 400; font-size: 12px; }
tr.gain th, tr.gain td { border-top: 2px solid var(--line); }
.plus { color: var(--good); } .minus { color: var(--bad); }
table.setup th { width: 1%; color: var(--muted); font-weight: 500; }
table.setup td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
table.setup tr:first-child th, table.setup tr:first-child td { border-top: 0; }
.plots { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); }
figure { margin: 0; }
.plots figure { padding: 14px 12px 8px; }
.plots figcaption { padding: 0 6px 8px; font-weight: 620; font-size: 15px; }
svg.plot { display: block; width: 100%; height: auto; }
.example { margin: 0 0 20px; padding: 20px; }
.tag { display: inline-block; margin: 0 6px 8px 0; padding: 1px 9px; border: 1px solid var(--line); border-radius: 99px; color: var(--muted); font-size: 13px; overflow-wrap: anywhere; }
.tag.good { color: var(--good); border-color: currentColor; } .tag.bad { color: var(--bad); border-color: currentColor; }
.frames { display: flex; flex-wrap: wrap; gap: 8px; margin: 12px 0 16px; padding: 0; list-style: none; }
.frames li { flex: 1 1 110px; max-width: 240px; }
.frames img { display: block; width: 100%; height: auto; border-radius: 8px; border: 1px solid var(--line); background: #000; }
.frames span { color: var(--muted); font-size: 12px; }
.options { margin: 0; padding: 0; list-style: none; }
.options li { display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; padding: 6px 10px; border-radius: 8px; }
.options li.right { background: var(--good-bg); font-weight: 620; }
.options .letter { min-width: 1.2em; color: var(--muted); font-weight: 600; }
.options .text { flex: 1 1 180px; overflow-wrap: anywhere; }
.pick { padding: 0 8px; border-radius: 6px; font-size: 13px; font-weight: 600; overflow-wrap: anywhere; }
.pick.good { color: var(--good); background: var(--good-bg); box-shadow: inset 0 0 0 1px currentColor; }
.pick.bad { color: var(--bad); background: var(--bad-bg); }
.pick.plain { color: var(--muted); font-weight: 500; }
.columns { display: grid; gap: 4px 26px; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); }
.reasoning { padding: 12px 14px; border-left: 3px solid var(--line); border-radius: 0 8px 8px 0; background: color-mix(in srgb, var(--muted) 6%, transparent); white-space: pre-wrap; overflow-wrap: anywhere; font-size: 15px; }
.reasoning.own { border-left-color: var(--accent); }
del { color: var(--bad); background: var(--del-bg); text-decoration-thickness: 1.5px; border-radius: 3px; }
footer { max-width: 1080px; margin: 0 auto; padding: 8px 20px 48px; color: var(--muted); font-size: 13px; }
@media (max-width: 560px) {
  header { padding-top: 26px; } main, header, footer { padding-left: 14px; padding-right: 14px; }
  .example { padding: 16px 14px; } th, td { padding: 8px 10px; } .frames li { flex-basis: 40%; }
}
@media print {
  :root { --bg: #fff; --card: #fff; --text: #000; --muted: #444; --line: #bbb; --grid: #ddd; --accent: #0b5fa5; --good: #0a6b3d; --good-bg: #fff; --bad: #a3211a; --bad-bg: #fff; --del-bg: #fff; --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #b0578d; --s4: #8a6d00; --s5: #2f7fb5; color-scheme: light; }
  body { font-size: 11pt; } header { padding-top: 0; } h2 { break-after: avoid; }
  .tile, .plots figure, .example, tr { break-inside: avoid; }
  .scroll { overflow: visible; } .scroll th:first-child { position: static; min-width: 0; }
  th, td { padding: 6px; font-size: 9.5pt; } td small, th small { font-size: 8pt; }
  .plots { grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); }
}
`;
