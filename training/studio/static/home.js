// All projects, and how to make one.

import { h, plural } from './dom.js';
import { post, query, send } from './api.js';

export function home(root, app) {
  const list = h('div', { class: 'projects' });
  const name = h('input', { type: 'text', id: 'new-name', placeholder: 'for instance: thumbs', maxlength: 80, autocomplete: 'off' });
  const points = h('input', { type: 'text', id: 'new-points', value: 'index', autocomplete: 'off' });
  const pointsField = h('label', { class: 'field', hidden: true }, 'Names of the points, with commas between them', points);
  const kinds = [['classification', 'Which gesture is it?', 'Pictures in categories, such as thumb_up, thumb_down and none.'],
    ['points', 'Where is the fingertip?', 'Pictures with one or more points that you click.']];
  const radios = kinds.map(([value, title, text], i) => h('label', {},
    h('input', { type: 'radio', name: 'kind', value, checked: i === 0, onchange: () => { pointsField.hidden = value !== 'points'; } }),
    h('span', {}, title, h('span', { class: 'soft' }, ` ${text}`))));
  const make = async (event) => {
    event.preventDefault();
    const kind = root.querySelector('[name=kind]:checked').value;
    await app.attempt(async () => {
      const made = await post('/api/projects', { name: name.value, kind, points: kind === 'points' ? points.value.split(',').map((p) => p.trim()).filter(Boolean) : [] });
      location.hash = `#/${encodeURIComponent(made.name)}/collect`;
    });
  };
  const zip = h('input', { type: 'file', accept: '.zip', hidden: true, onchange: async () => {
    const file = zip.files[0];
    const wanted = name.value.trim() || file.name.replace(/\.zip$/i, '').replace(/[^\p{L}\p{N} _-]+/gu, '_').slice(0, 40);
    await app.attempt(async () => {
      const made = await send(`/api/import?${query({ name: wanted })}`, file);
      app.notice(`${plural(made.count, 'picture')} imported${made.refused.length ? `, ${made.refused.length} left out: ${made.refused[0].join(' ')}` : ''}`, !made.refused.length);
      location.hash = `#/${encodeURIComponent(made.name)}/collect`;
    });
    zip.value = '';
  } });
  const form = h('form', { class: 'card stack', onsubmit: make },
    h('h2', {}, 'New project'),
    h('label', { class: 'field' }, 'Name', name),
    h('fieldset', { class: 'choices', 'aria-label': 'Kind' }, radios), pointsField,
    h('div', { class: 'row' }, h('button', { class: 'go' }, 'Make project'),
      h('button', { type: 'button', onclick: () => zip.click() }, 'Import a ZIP ...'), zip));
  const problem = h('p', { class: 'card warn', hidden: true });
  const where = h('p', { class: 'soft' });
  root.append(h('div', { class: 'two' }, h('div', { class: 'stack' }, problem, list, where), form));
  return {
    update() {
      const { overview } = app;
      if (!overview) return;
      problem.hidden = !overview.problem;
      problem.textContent = overview.problem;
      where.textContent = `Projects are folders in ${overview.folder}; one that you put there by hand is listed here too.`;
      list.replaceChildren(...overview.projects.map((row) => h('a', { href: `#/${encodeURIComponent(row.name)}/collect` },
        h('strong', {}, row.name),
        h('span', { class: row.problem ? 'bad' : 'soft' }, row.problem || `${row.kind === 'points' ? 'points' : 'categories'}, ${plural(row.pictures, 'picture')}`))));
      if (!overview.projects.length) {
        list.replaceChildren(h('div', { class: 'card' }, h('p', { class: 'big' }, 'Teach the robot a gesture'),
          h('p', { class: 'soft' }, 'Make a project, collect some pictures before a camera, press Train, try it live, and deploy it to the robot. '
            + 'Begin with a name for the project.')));
        if (document.activeElement === document.body) name.focus({ preventScroll: true });
      }
    },
    pulse() {},
    close() {},
  };
}
