// Check: confusion matrix, and the worst pictures first, each one click from another label.

import { h, percent, plural, score, svg } from './dom.js';
import { get, pictureUrl, post, projectPath } from './api.js';
import { openPicture } from './gallery.js';
import { modelSelect, models } from './models.js';

const FEW = 24; // pictures that are shown at first

// Where each point is (ring) and where the model saw it (cross).
function dots({ points, guess }) {
  const node = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none' });
  const given = { fill: 'none', 'stroke-width': 2, 'vector-effect': 'non-scaling-stroke' };
  for (const [x, y] of Object.values(points)) node.append(svg('ellipse', { cx: 100 * x, cy: 100 * y, rx: 3, ry: 4, stroke: '#4cc9a0', ...given }));
  for (const [x, y] of Object.values(guess)) node.append(svg('path', { d: `M${100 * x - 3} ${100 * y - 4}l6 8m-6 0l6 -8`, stroke: '#ffc266', ...given }));
  return node;
}

export function check(root, app) {
  let run = '';
  let part = 'all';
  let seen = '';
  let result = null;
  let most = FEW;
  const select = modelSelect((word) => { run = word; load(); });
  const again = h('button', { type: 'button', onclick: () => begin() }, 'Check again');
  const top = h('section', { class: 'card stack' }, h('div', { class: 'row' }, h('h2', {}, 'Model'), select.node, again));
  const words = h('p', { class: 'soft' });
  const figures = h('div', { class: 'row' });
  const matrix = h('div', { class: 'scroll' });
  top.append(words, figures, matrix);
  const worst = h('div', { class: 'worst' });
  const more = h('button', { type: 'button', onclick: () => { most *= 3; draw(); } }, 'Show more');
  const grid = h('section', { class: 'card stack', hidden: true }, h('h2', {}, 'Worst pictures first'),
    h('p', { class: 'soft' }, 'Wrong answers first, then the least sure ones. A wrong label is mended by one click; then train again.'), worst, more);
  const all = h('div', { class: 'stack', hidden: true }, top, grid);
  const none = h('section', { class: 'card stack', hidden: true }, h('p', {}, 'There is no trained model to check yet.'),
    h('div', { class: 'row' }, h('button', { type: 'button', class: 'go', onclick: () => app.go('train') }, '← Train one')));
  root.append(none, all);

  const number = () => run.split('/').pop();
  const state = () => app.project.runs.find((one) => one.run === number());

  async function begin() {
    await app.attempt(async () => {
      await post(`${projectPath(app.name)}/runs/${number()}`, { do: 'evaluate' });
      await app.refresh();
    });
  }

  async function load() {
    const now = state();
    if (!now) return;
    const key = `${run}/${app.project.version}/${now.evaluate.status}`;
    if (key === seen) return;
    seen = key;
    try {
      result = now.evaluate.status === 'done' || now.evaluate.status === 'stopped' ? await get(`${projectPath(app.name)}/runs/${number()}/check`) : null;
    } catch (error) {
      result = null;
    }
    draw();
  }

  function draw() {
    const now = state();
    const { status, sentence } = now.evaluate;
    words.hidden = !!result && status === 'done';
    words.textContent = { running: sentence, failed: sentence, stopped: sentence }[status] || (result ? '' : 'This training was not checked yet: press Check again.');
    words.className = status === 'failed' ? 'bad' : 'soft';
    grid.hidden = !result;
    figures.replaceChildren();
    matrix.replaceChildren();
    if (!result) return;
    if (!result.figures[part]) part = Object.keys(result.figures)[0];
    figures.replaceChildren(...Object.entries(result.figures).map(([kind, row]) => h('button', { type: 'button', 'aria-pressed': String(kind === part),
      onclick: () => { part = kind; draw(); } }, `${kind}: ${row.pictures ? score(row) : '–'} of ${plural(row.pictures, 'picture')}`)));
    if (result.confusion) drawMatrix(result.confusion[part], result.labels);
    else {
      const row = result.figures[part];
      matrix.replaceChildren(h('p', {}, `Mean error ${score(row)} at 640×480; ${percent(row.within_20_px || 0)} within 20 px.`));
    }
    const rows = result.worst.filter((row) => part === 'all' || row.held);
    worst.replaceChildren(...rows.slice(0, most).map(card));
    more.hidden = rows.length <= most;
    if (!worst.children.length) worst.append(h('p', { class: 'soft' }, 'none'));
  }

  function drawMatrix(rows, labels) {
    matrix.replaceChildren(h('table', { class: 'matrix', 'aria-label': 'Confusion matrix' },
      h('thead', {}, h('tr', {}, h('th', {}, 'is ↓   said →'), labels.map((name) => h('th', {}, name)))),
      h('tbody', {}, rows.map((row, i) => h('tr', {}, h('th', {}, labels[i]),
        row.map((count, j) => h('td', { class: i === j || !count ? '' : 'bad' }, count || '·')))))));
  }

  function card(row) {
    const act = (wish) => app.attempt(async () => { await app.change({ set: row.set, files: [row.file], ...wish }); });
    const rows = [{ file: row.file, label: row.label, points: row.points }];
    const open = h('button', { type: 'button', class: 'open', onclick: () => openPicture(app, row.set, rows, row.file, () => {}) },
      h('img', { src: pictureUrl(app.name, row.set, row.file, 240), alt: row.file, loading: 'lazy' }));
    const thumb = h('div', { class: 'thumb' }, open);
    if (row.points) {
      thumb.append(h('span', { class: 'tag' }, `${row.error_px.toFixed(0)} px off`));
      open.append(dots(row));
    }
    const said = row.guess && typeof row.guess === 'string' ? h('p', { class: row.right ? 'soft' : 'bad' }, `${row.label}; said ${row.guess} ${percent(row.score)}`) : null;
    const moves = row.label === undefined ? [h('button', { type: 'button', onclick: () => openPicture(app, row.set, rows, row.file, () => {}) }, 'Move the point')]
      : app.project.categories.filter((name) => name !== row.label).slice(0, 6).map((name) => h('button', { type: 'button', title: `Its label is ${name}`, onclick: () => act({ do: 'relabel', label: name }) }, `→ ${name}`));
    return h('div', { class: 'card', 'data-file': row.file }, thumb, said, h('div', { class: 'row' }, moves,
      h('button', { type: 'button', class: 'danger', onclick: () => act({ do: 'delete' }) }, 'Delete')));
  }

  function update() {
    const rows = models(app, { shipped: false });
    none.hidden = rows.length > 0;
    all.hidden = !rows.length;
    if (!rows.length) return;
    select.show(rows, run);
    run = select.node.value;
    again.disabled = !!app.pulse?.work;
    load();
  }
  function pulse() {
    again.disabled = !!app.pulse?.work;
    const busy = app.pulse?.work;
    if (busy && busy.project === app.name && busy.task === 'evaluate' && busy.run === number()) {
      const now = state();
      if (now) now.evaluate = busy.state;
      words.hidden = false;
      words.textContent = busy.state.sentence;
    }
  }
  return { update, pulse, close() {} };
}
