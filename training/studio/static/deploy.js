// Deploy: the model goes to where the robot's nodes look; one click goes back.

import { changed, h, megabytes } from './dom.js';
import { post } from './api.js';
import { modelSelect, models } from './models.js';

export function deploy(root, app) {
  const points = app.project.kind === 'points';
  let word = '';
  const select = modelSelect((chosen) => { word = chosen; });
  const name = h('input', { type: 'text', value: points ? 'fingertip' : 'gesture', 'aria-label': 'Name', autocomplete: 'off' });
  const button = h('button', { class: 'go' }, 'Deploy');
  const done = h('div', { class: 'stack' });
  const form = h('form', { class: 'card stack', onsubmit: (event) => { event.preventDefault(); go(); } }, h('h2', {}, 'Deploy'),
    h('label', { class: 'field' }, 'Model', select.node),
    h('label', { class: 'field' }, 'Name on the robot', name),
    h('p', { class: 'soft' }, `With the name ${points ? 'fingertip' : 'gesture'} the robot's gesture node takes it by itself, within two seconds and without a restart. `
      + 'The model that was there before is kept.'), h('div', { class: 'row' }, button), done);
  const list = h('section', { class: 'card stack' });
  root.append(h('div', { class: 'two even' }, form, list));

  async function go() {
    button.disabled = true;
    await app.attempt(async () => {
      const put = await post('/api/deploy', { model: word, name: name.value });
      const usual = ['gesture', 'fingertip'].includes(put.name);
      done.replaceChildren(h('p', {}, `Deployed: ${put.file}`), h('p', { class: 'soft' }, usual
        ? 'A gesture node that runs takes it now. To start one: make run, or ros2 launch edge_vision nano.launch.py.'
        : 'Tell the gesture node to use it:'),
      usual ? '' : h('pre', {}, `ros2 param set /gesture ${points ? 'fingertip_model' : 'model'} ${put.name}`));
      await app.refresh(true);
    });
    button.disabled = !word;
  }

  const back = (row) => app.attempt(async () => {
    const { in_use: used } = await post('/api/back', { name: row.name });
    app.notice(used ? `The former ${row.name} is back` : `${row.name} was taken out; the shipped one, if there is one, is used again`, true);
    await app.refresh(true);
  });

  function update() {
    const rows = models(app, { shipped: false, compressed: true });
    select.show(rows.length ? rows : [['', 'no trained model yet', true]], word);
    word = select.node.value;
    button.disabled = !word;
    const { deployed, models: folder } = app.overview;
    if (!changed(list, deployed)) return;
    list.replaceChildren(h('h2', {}, 'On the robot'), ...deployed.map((row) => h('div', { class: 'stack', 'data-name': row.name },
      h('div', { class: 'row' }, h('strong', {}, row.name),
        h('span', { class: 'soft' }, row.in_use ? `${megabytes(row.bytes)}, ${new Date(1000 * row.changed_s).toLocaleString()}` : 'taken out: the shipped one is used'),
        h('span', { class: 'space' }),
        h('button', { type: 'button', onclick: () => back(row) }, !row.in_use ? 'Put it back' : row.former ? 'Back to the former one' : 'Take it out')),
      row.card ? h('details', {}, h('summary', { class: 'soft' }, 'Card'), h('pre', {}, row.card)) : '')));
    if (!deployed.length) list.append(h('p', { class: 'soft' }, 'Nothing was deployed yet; the robot uses the shipped models.'));
    list.append(h('p', { class: 'soft' }, `Models are files in ${folder}.`));
  }
  return { update, pulse() {}, close() {} };
}
