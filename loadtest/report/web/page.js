"use strict";
// Draws the plots of the page and switches its language. Its input is the JSON in #plots and #words.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const plots = read("plots");
  const words = read("words");
  const isTouched = matchMedia("(pointer: coarse)").matches;
  const isNarrow = () => innerWidth < 560;
  let isChinese = false;

  const say = (english) => (isChinese && words[english]) || english;
  const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  // Plotly reads a little HTML in names, and these come from servers and files.
  const plain = (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  function trace(curve, plot) {
    const color = tone(`tone-${curve.tone % 6 || 0}`);
    const made = { name: plain(say(curve.name)), x: curve.x, y: curve.y, hoverlabel: { namelength: -1 } };
    if (curve.shape === "bar") {
      return { ...made, type: "bar", marker: { color } };
    }
    const hollow = new Set(curve.hollow);
    const isSparse = curve.x.length < 30;
    made.type = "scatter";
    made.mode = curve.shape === "points" ? "markers" : isSparse ? "lines+markers" : "lines";
    made.line = { color, width: 2, shape: curve.shape === "step" ? "hv" : "linear" };
    made.marker = {
      color,
      size: curve.shape === "points" ? 11 : 7,
      symbol: curve.x.map((_, place) => (hollow.has(place) ? "circle-open" : "circle")),
    };
    if (curve.above) {
      made.error_x = {
        type: "data", symmetric: false, array: curve.above, arrayminus: curve.below,
        color, thickness: 2, width: 6,
      };
    }
    if (plot.y_labels) {
      made.hovertemplate = "%{x:.2f}x<extra></extra>";
    }
    return made;
  }

  function axis(title, more) {
    return {
      title: { text: plain(say(title)), font: { size: 12 }, standoff: 8 },
      gridcolor: tone("line"), linecolor: tone("line"), zeroline: false, automargin: true,
      ...more,
    };
  }

  function sizes(plot) {
    const all = [...new Set(plot.curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    return { type: "log", tickvals: all, ticktext: all.map(String) };
  }

  // A logarithmic axis of ratios is labelled at round values within what is shown.
  function ratios(plot) {
    const ends = plot.curves.flatMap((curve) =>
      curve.x.flatMap((x, place) => [x - (curve.below?.[place] ?? 0), x + (curve.above?.[place] ?? 0)]),
    );
    const low = Math.min(0.9, ...ends.filter((end) => end > 0)) / 1.15;
    const high = Math.max(1.1, ...ends) * 1.15;
    const round = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100, 200, 500];
    const shown = round.filter((value) => value >= low && value <= high);
    const every = shown.length > 7 ? 2 : 1;
    const ticks = shown.filter((value, place) => value === 1 || (place - shown.indexOf(1)) % every === 0);
    return {
      type: "log", range: [Math.log10(low), Math.log10(high)],
      tickvals: ticks, ticktext: ticks.map((value) => `${value}x`),
    };
  }

  function layout(plot) {
    const isRows = Boolean(plot.y_labels);
    const xMore = isRows ? ratios(plot) : plot.x_is_log ? sizes(plot) : plot.x === "round" ? { dtick: 1 } : {};
    const yMore = isRows
      ? {
          tickvals: plot.y_labels.map((_, row) => row),
          ticktext: plot.y_labels.map((label) => plain(label.split(": ").map(say).join(": "))),
          range: [-0.6, plot.y_labels.length - 0.4], showgrid: false, fixedrange: true,
        }
      : { rangemode: "tozero" };
    const shapes = [];
    if (plot.line_at !== undefined) {
      const across = isRows
        ? { x0: plot.line_at, x1: plot.line_at, y0: 0, y1: 1, yref: "paper" }
        : { x0: 0, x1: 1, xref: "paper", y0: plot.line_at, y1: plot.line_at };
      shapes.push({ type: "line", line: { color: tone("text-2"), width: 1, dash: "dash" }, ...across });
    }
    if (plot.shaded_until !== undefined) {
      shapes.push({
        type: "rect", x0: 0, x1: plot.shaded_until, y0: 0, y1: 1, yref: "paper",
        fillcolor: tone("text-2"), opacity: 0.1, line: { width: 0 }, layer: "below",
      });
    }
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: tone("text-2") },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 48, r: 12, t: 10, b: 40 },
      xaxis: axis(plot.x, xMore), yaxis: axis(plot.y, yMore), shapes,
      showlegend: plot.curves.length > 1,
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", xanchor: "left" },
      hovermode: isRows ? "closest" : "x unified",
      hoverlabel: { bgcolor: tone("surface"), bordercolor: tone("line"), font: { color: tone("text") } },
      dragmode: isTouched ? false : "zoom",
      bargap: 0.1,
    };
  }

  const settings = { responsive: true, displaylogo: false, displayModeBar: false };

  function draw() {
    plots.forEach((plot, number) => {
      const place = document.getElementById(`plot-${number}`);
      if (plot.y_labels) {
        place.style.height = `${110 + plot.y_labels.length * (isNarrow() ? 30 : 34)}px`;
      }
      Plotly.react(place, plot.curves.map((curve) => trace(curve, plot)), layout(plot), settings);
    });
  }

  function translate() {
    document.documentElement.lang = isChinese ? "zh-CN" : "en";
    for (const element of document.querySelectorAll("[data-t]")) {
      element.textContent = say(element.dataset.t);
    }
    draw();
  }

  document.getElementById("language").addEventListener("click", (event) => {
    isChinese = !isChinese;
    event.currentTarget.textContent = isChinese ? "English" : "中文";
    translate();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
