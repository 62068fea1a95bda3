// The models that a project can use, as a choice.

import { h, options, score } from './dom.js';

// Rows [word for the studio, text] of a project's trainings, newest first, and of shipped ones.
export function models(app, { shipped = true, compressed = false } = {}) {
  const rows = [];
  for (const run of app.project.runs) {
    if (!run.model) continue;
    const name = `run/${app.name}/${run.run}`;
    rows.push([name, `Training ${run.run} ${score(run.train.score)}`.trim()]);
    for (const row of compressed ? run.compress.sizes || [] : []) {
      if (row.k) rows.push([`${name}/${row.k}`, `Training ${run.run}, ${row.k} values ${score(row)}`.trim()]);
    }
  }
  const wanted = app.project.kind === 'points' ? 'fingertip' : 'gesture';
  if (shipped) {
    for (const name of app.overview.shipped) if (name === wanted) rows.push([`shipped/${name}`, `Shipped: ${name}`]);
  }
  return rows;
}

export function modelSelect(onchange) {
  const select = h('select', { 'aria-label': 'Model', onchange: () => onchange(select.value) });
  return { node: select, show(rows, chosen) { options(select, rows, chosen); } };
}

export const finished = (app) => app.project.runs.filter((run) => run.model);
