// Read values off a chart with a pointer, a finger or the arrow keys. The page says everything without it.
for (const panel of document.querySelectorAll(".panel[data-points]")) {
  const { at, days, series } = JSON.parse(panel.dataset.points);
  const plot = panel.querySelector(".plot");
  const cursor = panel.appendChild(Object.assign(document.createElement("i"), { className: "cursor", hidden: true }));
  const readout = panel.parentElement.querySelector(".readout");
  const resting = readout.textContent;
  let place = at.length - 1;

  const show = () => {
    const left = plot.getBoundingClientRect().left - panel.getBoundingClientRect().left;
    cursor.hidden = false;
    cursor.style.left = `${left + at[place] * plot.getBoundingClientRect().width}px`;
    readout.textContent = `${days[place]}: ` + series.map(([name, values]) => `${name} ${values[place]}`).join(", ");
  };
  const rest = () => { cursor.hidden = true; readout.textContent = resting; };

  panel.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    place = at.reduce((best, x, i) => (Math.abs(x - share) < Math.abs(at[best] - share) ? i : best), 0);
    show();
  });
  panel.addEventListener("pointerleave", rest);
  panel.addEventListener("focus", show);
  panel.addEventListener("blur", rest);
  panel.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7 }[event.key];
    if (!step) return;
    event.preventDefault();
    place = Math.min(at.length - 1, Math.max(0, place + step));
    show();
  });
}
