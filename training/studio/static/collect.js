// Collect and label: a button and a key for each category; a click for each point.

import { by, changed, h, plural } from './dom.js';
import { drop, projectPath, query, send } from './api.js';
import { Gallery } from './gallery.js';
import { Stage } from './stage.js';

const HOLD_MS = 350; // a press that is longer is a burst
const BURST_MS = 160;
const MOST_WAITING = 4; // pictures on their way to the studio

export function collect(root, app) {
  let set = app.project.sets[0];
  let waiting = 0;
  let burst = null;
  let group = '';
  let pending = null; // points clicked so far, with the picture that they belong to
  const stage = new Stage(() => app.pulse);
  const gallery = new Gallery(app);
  const classes = app.project.kind === 'classification';

  // ---- keeping a picture
  async function keep(fields, picture = null) {
    if (waiting >= MOST_WAITING) return;
    waiting += 1;
    await app.attempt(async () => {
      const grabbed = picture || await stage.grab();
      if (!grabbed) throw new Error('There is no picture yet; choose a camera under the picture.');
      stage.flash();
      const words = query({ set, group, frame: grabbed.frame, ...fields });
      await send(`${projectPath(app.name)}/pictures?${words}`, grabbed.body);
      app.refresh();
    });
    waiting -= 1;
  }

  function stamp() {
    const now = new Date();
    const two = (n, digits = 2) => String(n).padStart(digits, '0');
    return `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}-${two(now.getMilliseconds(), 3)}`;
  }

  function press(label, button) {
    release();
    group = stamp();
    button?.classList.add('held');
    keep({ label });
    burst = { label, button, start: setTimeout(() => {
      burst.timer = setInterval(() => keep({ label }), BURST_MS);
    }, HOLD_MS) };
  }

  function release() {
    if (!burst) return;
    clearTimeout(burst.start);
    clearInterval(burst.timer);
    burst.button?.classList.remove('held');
    burst = null;
  }

  // ---- keys: 1 to 9, then letters, each for a category
  const keyOf = (index) => '123456789abcdefghijklmnopqrstuvwxyz'[index] || '';
  // a digit in the empty field for names is a key too: the cursor stays there after a name
  const typing = ({ target, key }) => by('dialog').open || (/INPUT|TEXTAREA|SELECT/.test(target.tagName)
    && !(target === newName && !newName.value && /^[1-9]$/.test(key)));
  function onDown(event) {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
    if (!classes) {
      if (event.key === 'Escape') cancel();
      if (event.key === ' ') { event.preventDefault(); group = stamp(); keep({}); }
      return;
    }
    const index = app.project.categories.findIndex((_, i) => keyOf(i) === event.key.toLowerCase());
    if (index >= 0) {
      event.preventDefault();
      press(app.project.categories[index], list.querySelectorAll('.cat')[index]);
    }
  }
  document.addEventListener('keydown', onDown);
  document.addEventListener('keyup', release);
  window.addEventListener('blur', release);

  // ---- points: the first click freezes the picture, further ones are for the next points
  async function aim(event) {
    if (classes || !stage.ready) return;
    const spot = stage.place(event);
    if (!spot) return;
    const { points } = app.project;
    if (!pending) {
      stage.frozen = true;
      pending = { picture: await stage.grab(), found: {} };
    }
    const name = points[Object.keys(pending.found).length];
    pending.found[name] = spot;
    stage.mark(Object.values(pending.found));
    if (Object.keys(pending.found).length === points.length) {
      const { picture, found } = pending;
      const fields = Object.fromEntries(Object.entries(found).map(([n, [x, y]]) => [n, `${x.toFixed(5)},${y.toFixed(5)}`]));
      cancel();
      group = stamp();
      await keep(fields, picture);
    }
    ask();
  }

  function cancel() {
    pending = null;
    stage.frozen = false;
    stage.mark([]);
    ask();
  }

  function ask() {
    const { points } = app.project;
    stage.prompt.hidden = classes;
    stage.prompt.textContent = classes ? '' : `Click where ${points[pending ? Object.keys(pending.found).length : 0]} is${pending ? ' (Esc: another picture)' : ''}`;
  }
  stage.canvas.addEventListener('pointerdown', aim);
  stage.screen.classList.toggle('aim', !classes);

  // ---- categories and data sets
  const list = h('ul', { class: 'cats' });
  const newName = h('input', { type: 'text', placeholder: 'thumb_up, for instance', 'aria-label': 'New category', autocomplete: 'off' });
  const add = h('form', { class: 'row', onsubmit: (event) => {
    event.preventDefault();
    app.attempt(async () => {
      await app.change({ do: 'add category', name: newName.value });
      newName.value = '';
    });
  } }, newName, h('button', { class: 'go' }, 'Add category'));
  const sets = h('div', { class: 'row' });
  const hint = h('p', { class: 'soft' });
  const next = h('div', { class: 'card next' });
  const files = h('input', { type: 'file', accept: 'image/jpeg,image/png', multiple: true, hidden: true, onchange: () => upload() });
  const zip = h('input', { type: 'file', accept: '.zip', hidden: true, onchange: () => importZip() });
  let uploadLabel = '';

  async function upload() {
    group = stamp();
    let count = 0;
    for (const file of files.files) {
      const worked = await app.attempt(() => send(`${projectPath(app.name)}/pictures?${query({ set, group, label: uploadLabel || undefined })}`, file));
      if (worked) count += 1;
    }
    if (count) app.notice(`${plural(count, 'picture')} added`, count === files.files.length);
    files.value = '';
    app.refresh();
  }

  async function importZip() {
    await app.attempt(async () => {
      app.notice('importing ...', true);
      const { count, refused } = await send(`${projectPath(app.name)}/import?${query({ set, label: app.project.categories[0] })}`, zip.files[0]);
      app.notice(`${plural(count, 'picture')} imported${refused.length ? `, ${refused.length} left out: ${refused.slice(0, 3).map((one) => one.join(' ')).join('; ')}` : ''}`, !refused.length);
    });
    zip.value = '';
    app.refresh();
  }

  function menu(name) {
    const dialog = by('dialog');
    const text = h('input', { type: 'text', value: name, 'aria-label': 'Name' });
    const act = (wish) => app.attempt(async () => { await app.change(wish); dialog.close(); });
    dialog.onkeydown = null;
    dialog.replaceChildren(h('div', { class: 'stack' }, h('h2', {}, 'Category'), text, h('div', { class: 'row' },
      h('button', { type: 'button', class: 'go', onclick: () => act({ do: 'rename category', name, to: text.value }) }, 'Rename'),
      h('button', { type: 'button', onclick: () => { uploadLabel = name; dialog.close(); files.click(); } }, 'Add picture files ...'),
      h('button', { type: 'button', class: 'danger', onclick: () => act({ do: 'drop category', name }) }, 'Delete it with its pictures'),
      h('button', { type: 'button', onclick: () => dialog.close() }, 'Close'))));
    dialog.showModal();
  }

  function drawCategories() {
    const { project } = app;
    const counts = project.counts[set] || {};
    if (changed(list, [project.categories, set])) {
      list.replaceChildren(...project.categories.map((name, index) => {
        const button = h('button', { type: 'button', class: 'cat', onpointerdown: (event) => { if (event.button === 0) press(name, button); },
          onclick: (event) => { if (event.detail === 0) { press(name, button); release(); } },
          oncontextmenu: (event) => event.preventDefault() },
        h('kbd', {}, keyOf(index)), h('span', { class: 'name' }, name), h('span', { class: 'count' }));
        for (const end of ['pointerup', 'pointerleave', 'pointercancel']) button.addEventListener(end, release);
        return h('li', {}, button, h('button', { type: 'button', class: 'quiet', title: `Rename or delete ${name}`, 'aria-label': `Change ${name}`, onclick: () => menu(name) }, '…'));
      }));
    }
    list.querySelectorAll('.cat').forEach((button, i) => {
      button.querySelector('.count').textContent = counts[project.categories[i]] ?? 0;
    });
  }

  function drawSets() {
    const { project } = app;
    if (!project.sets.includes(set)) [set] = project.sets;
    const total = (name) => Object.values(project.counts[name] || {}).reduce((a, b) => a + b, 0);
    if (!changed(sets, [project.sets, project.sets.map(total), set])) return;
    sets.replaceChildren(...project.sets.map((name) => h('button', { type: 'button', 'aria-pressed': String(name === set),
      onclick: () => { set = name; update(); } }, `${name} (${total(name)})`)),
    ...(project.flat ? [] : [h('button', { type: 'button', class: 'quiet', title: 'Another data set, to check a model on pictures of another day', onclick: () => {
      const free = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('').find((one) => !project.sets.includes(one)) || '';
      const name = window.prompt('Name of the new data set', free);
      if (name !== null) app.attempt(async () => { set = (await app.change({ do: 'add set', name })).name; });
    } }, '+ data set')]));
  }

  function drawNext() {
    const { project } = app;
    const counts = project.counts[set] || {};
    let words = '';
    let enough = false;
    if (classes) {
      const wanted = project.good_start;
      const short = project.categories.filter((name) => (counts[name] || 0) < wanted);
      if (!project.categories.length) words = 'Add a category for each gesture, and one called none for everything else.';
      else if (project.categories.length < 2) words = 'Add another category: none, for everything that is no gesture, is a good one.';
      else if (short.length) words = `Collect about ${wanted} pictures of each: ${short.map((name) => `${name} needs ${wanted - (counts[name] || 0)} more`).join(', ')}. Move your hand a little between them.`;
      else enough = true;
      hint.textContent = project.categories.length ? 'Press a category, or its key 1, 2, ..., for a picture; hold it for a burst.' : '';
    } else {
      const missing = 2 * project.good_start - (counts.labelled || 0);
      if (missing > 0) words = `Click on the picture where ${project.points.join(', then where ')} is: ${missing} more for a first training.`;
      else enough = true;
      if (counts['to label']) words += ` ${plural(counts['to label'], 'picture')} without a point yet: open them below.`;
      hint.textContent = 'Space keeps a picture to be labelled later.';
    }
    const some = Object.values(counts).reduce((a, b) => a + b, 0) >= 6;
    if (!changed(next, [words, enough, some])) return;
    next.replaceChildren(h('span', {}, words || 'Enough for a first training.'),
      h('button', { type: 'button', class: enough ? 'go' : '', disabled: !enough && !some, onclick: () => app.go('train') }, 'Go on to Train →'));
  }

  const aside = h('aside', { class: 'stack' },
    h('section', { class: 'card stack' }, h('h2', {}, 'Data set'), sets),
    classes ? h('section', { class: 'card stack' }, h('h2', {}, 'Categories'), list, add, hint)
      : h('section', { class: 'card stack' }, h('h2', {}, 'Points'), h('p', {}, app.project.points.join(', ')), hint,
        h('button', { type: 'button', onclick: () => { group = stamp(); keep({}); } }, 'Keep picture, label later')),
    next,
    h('details', { class: 'card' }, h('summary', {}, 'Import, export, delete'), h('div', { class: 'row' },
      h('button', { type: 'button', onclick: () => zip.click() }, 'Import a ZIP ...'),
      h('a', { href: `${projectPath(app.name)}/export.zip`, download: `${app.name}.zip` }, 'Export as ZIP'),
      classes ? null : h('button', { type: 'button', onclick: () => { uploadLabel = ''; files.click(); } }, 'Add picture files ...'),
      h('button', { type: 'button', class: 'danger', onclick: () => {
        if (window.confirm(`Delete the project ${app.name}? It is moved to the folder .trash beside the projects.`)) {
          app.attempt(async () => { await drop(projectPath(app.name)); location.hash = '#/'; });
        }
      } }, 'Delete project'), files, zip)));
  root.append(h('div', { class: 'two collect' }, stage.node, aside, gallery.node));
  ask();

  function update() {
    drawSets();
    if (classes) drawCategories();
    drawNext();
    gallery.load(set);
  }
  if (classes && !app.project.categories.length) newName.focus({ preventScroll: true });
  return {
    update,
    pulse() {},
    close() {
      release();
      document.removeEventListener('keydown', onDown);
      document.removeEventListener('keyup', release);
      window.removeEventListener('blur', release);
      stage.close();
    },
  };
}
