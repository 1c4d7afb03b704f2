"""The style sheet of report.html, in light and dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --quiet: #5b6576; --paper: #ffffff; --card: #f3f5f8;
  --line: #d9dee6; --training: #2563ab; --held-out: #c8551b; --notice: #fdf0d5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --quiet: #9aa5b5; --paper: #14181f;
  --card: #1e242e; --line: #343c49; --training: #6aaaf0; --held-out: #f0945c; --notice: #43351a; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 0.6rem; }
.quiet { color: var(--quiet); margin: 0.2rem 0; overflow-wrap: anywhere; }
.notice { background: var(--notice); padding: 0.6rem 0.9rem; border-radius: 6px; }
.cards { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.card { background: var(--card); border-radius: 8px; padding: 0.7rem 1.1rem; min-width: 7rem; }
.card span { display: block; color: var(--quiet); font-size: 0.85rem; }
.card b { font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption, .legend { color: var(--quiet); font-size: 0.9rem; margin: 0; }
.key { display: inline-block; width: 1.4rem; height: 3px; margin: 0 0.4rem 0.25rem 0; }
.key + .key, .legend .held-out { margin-left: 1rem; }
.key.training { background: var(--training); } .key.held-out { background: var(--held-out); }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
polyline.training { stroke: var(--training); } polyline.held-out { stroke: var(--held-out); }
circle.training { fill: var(--training); } circle.held-out { fill: var(--held-out); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 500; color: var(--quiet); width: 13rem; }
pre { background: var(--card); padding: 0.7rem 1rem; border-radius: 6px; overflow-x: auto; }
code { overflow-wrap: anywhere; } ol { padding-left: 1.4rem; margin: 0; }
"""
