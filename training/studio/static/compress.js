// Compress: 2, 3, 8 and 16 shared values side by side.

import { h, megabytes, percent, score } from './dom.js';
import { post, projectPath } from './api.js';
import { finished, modelSelect, models } from './models.js';
import { Stage } from './stage.js';

export function compress(root, app) {
  let run = '';
  const answers = {};
  const stage = new Stage(() => app.pulse, heard);
  const select = modelSelect((word) => { run = word; listed = ''; update(); });
  const tune = h('select', { 'aria-label': 'Tuning' }, h('option', { value: '0' }, 'quick: values as they are found'),
    h('option', { value: '1' }, 'better: train the values for an epoch each'), h('option', { value: '3' }, 'best: three epochs each'));
  const go = h('button', { type: 'button', class: 'go', onclick: () => begin() }, 'Compress');
  const stop = h('button', { type: 'button', onclick: () => work({ do: 'stop' }) }, 'Stop');
  const words = h('p', { class: 'soft' });
  const bar = h('progress', { max: 1 });
  const body = h('tbody');
  const table = h('table', { 'aria-label': 'Compressed models' }, h('thead', {}, h('tr', {}, ['values', 'size, times smaller', app.project.kind === 'points' ? 'error' : 'accuracy', 'sees now'].map((t) => h('th', {}, t)))), body);
  const none = h('p', { class: 'warn', hidden: true }, 'There is no trained model to compress yet.');
  root.append(h('div', { class: 'two' }, stage.node, h('aside', { class: 'stack' },
    h('section', { class: 'card stack' }, h('h2', {}, 'Model'), none, select.node,
      h('p', { class: 'soft' }, 'The weights of each layer share a few values: the file gets many times smaller and runs as fast as before.'),
      tune, h('div', { class: 'row' }, go, stop), words, bar),
    h('section', { class: 'card stack' }, h('h2', {}, 'Side by side'), h('div', { class: 'scroll' }, table)))));

  let listed = '';
  const number = () => run.split('/').pop();
  const state = () => app.project.runs.find((one) => one.run === number());
  const word = (k) => (k ? `${run}/${k}` : run);

  const work = (wish) => app.attempt(async () => {
    await post(`${projectPath(app.name)}/runs/${number()}`, wish);
    await app.refresh();
  });
  const begin = () => work({ do: 'compress', tune: Number(tune.value) });

  function heard(said) {
    Object.assign(answers, said);
    for (const cell of body.querySelectorAll('[data-word]')) {
      const answer = answers[cell.dataset.word];
      if (!answer) continue;
      if (answer.task === 'classification') {
        const i = answer.numbers.indexOf(Math.max(...answer.numbers));
        cell.textContent = `${answer.labels[i]} ${percent(answer.numbers[i])}`;
      } else cell.textContent = answer.numbers[0].map((v) => v.toFixed(2)).join(', ');
    }
    const points = Object.entries(answers).filter(([name, a]) => a.task === 'regression' && name.startsWith(run));
    if (points.length) stage.mark(points.map(([, a]) => a.numbers[0]));
  }

  function draw() {
    const now = state();
    if (!now) return;
    const { status, sentence, sizes = [], done } = now.compress;
    const running = status === 'running';
    words.textContent = running || status === 'failed' || status === 'stopped' ? sentence : '';
    words.className = status === 'failed' ? 'bad' : 'soft';
    bar.hidden = !running;
    bar.value = done || 0;
    stop.hidden = !running;
    go.disabled = !!app.pulse?.work || !!app.overview.problem;
    const key = JSON.stringify([run, sizes]);
    if (key === listed) return;
    listed = key;
    const whole = sizes.find((row) => !row.k)?.bytes;
    body.replaceChildren(...sizes.map((row) => h('tr', {}, h('td', {}, row.k ? String(row.k) : 'all'),
      h('td', {}, `${megabytes(row.bytes)}${row.k && whole ? `, ${(whole / row.bytes).toFixed(1)}×` : ''}`),
      h('td', {}, score(row)), h('td', { 'data-word': word(row.k) }, '–'))));
    stage.look_with(sizes.map((row) => word(row.k)));
  }

  function update() {
    none.hidden = finished(app).length > 0;
    select.show(models(app, { shipped: false }), run);
    run = select.node.value;
    go.hidden = !run;
    draw();
  }
  function pulse() {
    const busy = app.pulse?.work;
    if (busy && busy.project === app.name && busy.task === 'compress') {
      const now = app.project.runs.find((one) => one.run === busy.run);
      if (now) now.compress = busy.state;
    }
    draw();
  }
  return { update, pulse, close() { stage.close(); } };
}
