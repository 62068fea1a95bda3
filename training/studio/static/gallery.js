// Small pictures, newest first: open one, or choose several to move or delete.

import { by, h, plural, svg } from './dom.js';
import { get, pictureUrl, projectPath, query } from './api.js';

const MORE = 60; // pictures that are shown at first

function marks(points, names) {
  return svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none' }, ...names.filter((n) => points[n]).map((n) => {
    const [x, y] = points[n];
    return svg('ellipse', { cx: 100 * x, cy: 100 * y, rx: 3, ry: 4, fill: 'none', stroke: '#4cc9a0', 'stroke-width': 2, 'vector-effect': 'non-scaling-stroke' });
  }));
}

// One picture in a dialog: another label, other points, delete. `file` of `rows` is shown first.
export function openPicture(app, set, rows, file, changed) {
  const dialog = by('dialog');
  let index = rows.findIndex((row) => row.file === file);
  let turn = 0; // which point is clicked next
  const show = () => {
    const row = rows[index];
    if (!row) return dialog.close();
    const { project } = app;
    const image = h('img', { src: pictureUrl(app.name, set, row.file), alt: row.file });
    const screen = h('div', { class: 'screen' }, image);
    const overlay = () => {
      screen.querySelector('svg')?.remove();
      if (row.points) screen.append(marks(row.points, project.points));
    };
    const act = (wish) => app.attempt(async () => {
      await app.change({ set, files: [row.file], ...wish });
      if (wish.do === 'place') {
        row.points = wish.points;
        overlay();
      } else {
        rows.splice(index, 1);
        index = Math.min(index, rows.length - 1);
        show();
      }
      changed();
    });
    let tools = null;
    if (project.kind === 'classification') {
      tools = project.categories.map((name) => h('button', { type: 'button', 'aria-pressed': String(name === row.label),
        onclick: () => (name === row.label ? null : act({ do: 'relabel', label: name })) }, name));
    } else {
      const next = project.points[turn % project.points.length];
      tools = [h('span', { class: 'soft' }, `Click where ${next} is`)];
      image.addEventListener('click', (event) => {
        const box = image.getBoundingClientRect();
        const spot = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        const point = project.points[turn % project.points.length];
        turn += 1;
        act({ do: 'place', points: { ...row.points, [point]: spot } });
      });
    }
    overlay();
    dialog.replaceChildren(h('div', { class: 'stack' }, screen, h('div', { class: 'row' }, tools),
      h('div', { class: 'row' },
        h('button', { type: 'button', disabled: index === 0, onclick: () => { index -= 1; turn = 0; show(); } }, '← Newer'),
        h('button', { type: 'button', disabled: index >= rows.length - 1, onclick: () => { index += 1; turn = 0; show(); } }, 'Older →'),
        h('span', { class: 'soft space' }, row.file),
        h('button', { type: 'button', class: 'danger', onclick: () => act({ do: 'delete' }) }, 'Delete'),
        h('button', { type: 'button', class: 'go', onclick: () => dialog.close() }, 'Close'))));
    return undefined;
  };
  dialog.onkeydown = (event) => {
    if (event.key === 'ArrowLeft' && index > 0) index -= 1;
    else if (event.key === 'ArrowRight' && index < rows.length - 1) index += 1;
    else return;
    turn = 0;
    show();
  };
  show();
  if (!dialog.open) dialog.showModal();
}

export class Gallery {
  constructor(app) {
    this.app = app;
    this.rows = [];
    this.chosen = new Set();
    this.most = MORE;
    this.filter = h('select', { 'aria-label': 'Show', onchange: () => this.draw() });
    this.bar = h('div', { class: 'row' });
    this.list = h('div', { class: 'thumbs' });
    this.more = h('button', { type: 'button', onclick: () => { this.most += 3 * MORE; this.draw(); } }, 'Show more');
    this.node = h('section', { class: 'card stack', 'aria-label': 'Pictures' },
      h('div', { class: 'row' }, h('h2', {}, 'Pictures'), h('span', { class: 'space' }), this.filter), this.bar, this.list, this.more);
  }

  // Reads the list of a data set again, if anything has changed.
  async load(set) {
    const key = `${this.app.name}/${set}/${this.app.project.version}`;
    if (key === this.key) return;
    this.key = key;
    this.set = set;
    try {
      const { pictures } = await get(`${projectPath(this.app.name)}/pictures?${query({ set })}`);
      if (key !== this.key) return;
      const name = (row) => row.file.split('/').pop();
      this.rows = pictures.sort((a, b) => (name(a) < name(b) ? 1 : -1));
      this.draw();
    } catch (error) {
      this.key = '';
    }
  }

  shown() {
    const { kind } = this.app.project;
    const wanted = this.filter.value;
    return this.rows.filter((row) => !wanted || (kind === 'points'
      ? (Object.keys(row.points).length ? 'labelled' : 'to label') === wanted : row.label === wanted));
  }

  draw() {
    const { project } = this.app;
    const names = project.kind === 'points' ? ['labelled', 'to label'] : project.categories;
    const was = this.filter.value;
    this.filter.replaceChildren(h('option', { value: '' }, 'all'), ...names.map((name) => h('option', { value: name }, name)));
    this.filter.value = names.includes(was) ? was : '';
    const rows = this.shown();
    const there = new Set(rows.map((row) => row.file));
    this.chosen = new Set([...this.chosen].filter((file) => there.has(file)));
    const kept = new Map([...this.list.children].map((node) => [node.dataset.key, node]));
    this.list.replaceChildren(...rows.slice(0, this.most).map((row) => {
      const key = `${this.set}/${row.file}/${JSON.stringify(row.points || '')}`;
      return kept.get(key) || this.thumb(row, key);
    }));
    if (!rows.length) this.list.replaceChildren(h('p', { class: 'soft' }, 'none yet'));
    this.more.hidden = rows.length <= this.most;
    this.drawBar();
  }

  thumb(row, key) {
    const { project } = this.app;
    const box = h('input', { type: 'checkbox', title: 'Choose', 'aria-label': `Choose ${row.file}`, onchange: () => {
      if (box.checked) this.chosen.add(row.file);
      else this.chosen.delete(row.file);
      node.classList.toggle('chosen', box.checked);
      this.drawBar();
    } });
    const node = h('div', { class: project.kind === 'points' ? 'thumb' : 'thumb whole' },
      h('button', { type: 'button', class: 'open', title: row.file, onclick: () => openPicture(this.app, this.set, this.shown(), row.file, () => {}) },
        h('img', { src: pictureUrl(this.app.name, this.set, row.file, 200), alt: row.label || row.file, loading: 'lazy', draggable: 'false' }),
        row.points ? marks(row.points, project.points) : null), box,
      h('span', { class: 'tag' }, row.label || (Object.keys(row.points).length ? '' : 'to label')));
    node.dataset.key = key;
    node.dataset.file = row.file;
    return node;
  }

  drawBar() {
    const files = [...this.chosen];
    const { project } = this.app;
    const act = (wish) => this.app.attempt(async () => {
      await this.app.change({ set: this.set, files, ...wish });
      this.chosen.clear();
    });
    this.bar.hidden = !files.length;
    const move = h('select', { 'aria-label': 'Move to', onchange: () => act({ do: 'relabel', label: move.value }) },
      h('option', { value: '' }, 'Move to ...'), ...project.categories.map((name) => h('option', { value: name }, name)));
    this.bar.replaceChildren(h('span', { class: 'soft' }, `${plural(files.length, 'picture')} chosen`),
      ...(project.kind === 'classification' ? [move] : []),
      h('button', { type: 'button', class: 'danger', onclick: () => act({ do: 'delete' }) }, 'Delete'),
      h('button', { type: 'button', class: 'quiet', onclick: () => { this.chosen.clear(); this.uncheck(); } }, 'None'));
  }

  uncheck() {
    for (const box of this.list.querySelectorAll('input:checked')) {
      box.checked = false;
      box.closest('.thumb').classList.remove('chosen');
    }
    this.drawBar();
  }
}
