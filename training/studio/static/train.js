// Train: from which weights, how much of the net, how long; curves while it goes.

import { changed, h, options, plural, score, seconds } from './dom.js';
import { post, projectPath } from './api.js';
import { curves } from './curves.js';
import { models } from './models.js';

const DEFAULTS = { head: { epochs: 150, rate: 0.03 }, whole: { epochs: 20, rate: 0.001 } };

export function train(root, app) {
  let touched = false; // whether the user has set epochs or rate
  let shownRun = null;
  const start = h('select', { 'aria-label': 'Start from', onchange: () => suit() });
  const part = (value, title, text) => h('label', {}, h('input', { type: 'radio', name: 'part', value, onchange: () => suit() }),
    h('span', {}, title, h('span', { class: 'soft' }, ` ${text}`)));
  const parts = h('fieldset', { class: 'choices', 'aria-label': 'What learns' },
    part('head', 'The last layer', 'takes seconds; good when few pictures are there'),
    part('whole', 'The whole net', 'takes minutes to hours; better with hundreds of pictures'));
  const epochs = h('input', { type: 'number', min: 1, max: 2000, step: 1, oninput: () => { touched = true; } });
  const rate = h('input', { type: 'number', min: 0.000001, max: 1, step: 'any', oninput: () => { touched = true; } });
  const mirror = h('input', { type: 'checkbox', checked: true });
  const sets = h('div', { class: 'row', role: 'group', 'aria-label': 'Data sets to train on' });
  const check = h('select', { 'aria-label': 'Check on' });
  const button = h('button', { class: 'go', type: 'submit' }, 'Train');
  const why = h('p', { class: 'soft' });
  const form = h('form', { class: 'card stack', onsubmit: (event) => { event.preventDefault(); begin(); } },
    h('h2', {}, 'Train'),
    h('label', { class: 'field' }, 'Start from', start), parts,
    h('details', {}, h('summary', { class: 'soft' }, 'More: epochs, rate, data sets'), h('div', { class: 'stack' },
      h('div', { class: 'row' }, h('label', { class: 'field' }, 'Epochs', epochs), h('label', { class: 'field' }, 'Learning rate', rate)),
      h('div', {}, h('p', { class: 'soft' }, 'Train on'), sets),
      h('label', { class: 'field' }, 'Check on', check),
      h('label', { class: 'line' }, mirror, h('span', {}, 'mirrored pictures too', h('span', { class: 'soft' }, ' (not if left and right mean something)'))))),
    h('div', { class: 'row' }, button), why);
  const board = h('section', { class: 'card stack', 'aria-label': 'Progress' });
  const list = h('section', { class: 'card stack' });
  root.append(h('div', { class: 'two even' }, form, h('div', { class: 'stack' }, board, list)));

  const head = () => root.querySelector('[name=part]:checked')?.value === 'head';
  function suit() {
    const none = start.value === 'none';
    const [headRadio, wholeRadio] = parts.querySelectorAll('input');
    headRadio.disabled = none;
    if (none) wholeRadio.checked = true;
    else if (!headRadio.checked && !wholeRadio.checked) headRadio.checked = true;
    if (!touched) {
      const wanted = DEFAULTS[head() ? 'head' : 'whole'];
      epochs.value = wanted.epochs;
      rate.value = wanted.rate;
    }
  }

  async function begin() {
    button.disabled = true;
    await app.attempt(async () => {
      const wish = { sets: [...sets.querySelectorAll('input:checked')].map((box) => box.value), check: check.value, start: start.value,
        head_only: head(), epochs: Number(epochs.value), rate: Number(rate.value), mirror: mirror.checked };
      const { run } = await post(`${projectPath(app.name)}/runs`, wish);
      shownRun = run;
      await app.refresh();
    });
    button.disabled = false;
    pulse();
  }

  const work = (run, wish) => app.attempt(async () => {
    await post(`${projectPath(app.name)}/runs/${run}`, wish);
    await app.refresh();
  });

  function drawForm() {
    const { project, overview } = app;
    const rows = models(app); // the shipped one first, then the newest
    rows.sort((a, b) => Number(b[0].startsWith('shipped')) - Number(a[0].startsWith('shipped')));
    const foreign = overview.shipped.filter((name) => !rows.some(([word]) => word === `shipped/${name}`)).map((name) => [`shipped/${name}`, `Shipped: ${name}`]);
    const all = [...rows, ...foreign, ['imagenet', 'ImageNet (from the network, once)'], ['none', 'Nothing: learn to see from these pictures alone']];
    options(start, all, start.value);
    if (changed(sets, project.sets)) {
      sets.replaceChildren(...project.sets.map((name, i) => h('label', { class: 'line' }, h('input', { type: 'checkbox', value: name, checked: i === 0, onchange: () => drawCheck() }), name)));
    }
    drawCheck();
    suit();
    const busy = app.pulse?.work;
    button.disabled = !!overview.problem || !!busy;
    why.className = overview.problem ? 'warn' : 'soft';
    why.textContent = overview.problem || (busy ? 'Another work is going on; one at a time.' : '');
  }

  function drawCheck() {
    const used = [...sets.querySelectorAll('input:checked')].map((box) => box.value);
    const rows = [['', 'a fifth of the pictures, held back'], ...app.project.sets.filter((name) => !used.includes(name)).map((name) => [name, `data set ${name}`])];
    options(check, rows, check.value);
  }

  // ---- how it goes
  const title = h('h2', {}, 'Progress');
  const sentence = h('p', { id: 'sentence' });
  const bar = h('progress', { max: 1 });
  const chart = h('div');
  const key = h('p', { class: 'row key' }, h('span', { class: 'loss' }), h('span', { class: 'metric' }));
  const buttons = h('div', { class: 'row' });
  board.append(title, sentence, bar, chart, key, buttons);

  function drawBoard(run) {
    for (const node of [bar, chart, key, buttons]) node.hidden = !run;
    if (!run) {
      sentence.textContent = 'Press Train; the curves are drawn here while it learns. You may close this page meanwhile.';
      return;
    }
    const { train: state, job } = run;
    const running = state.status === 'running';
    const rows = state.rows || [];
    const left = running && state.left_s ? `, about ${seconds(state.left_s)} left` : '';
    title.textContent = `Training ${run.run}`;
    sentence.className = state.status === 'failed' ? 'bad' : '';
    sentence.textContent = state.status === 'done'
      ? `done: ${score(state.score)} on ${plural(state.score?.pictures ?? 0, 'picture')} that it had not seen` : `${state.sentence}${left}`;
    bar.hidden = !running;
    bar.value = state.done || 0;
    if (changed(chart, [run.run, rows.length, job.epochs])) {
      const { node, metric } = curves(rows, job.epochs);
      const newest = rows.at(-1);
      chart.replaceChildren(node);
      key.children[0].textContent = newest ? `loss ${newest.loss.toFixed(3)}` : '';
      key.children[1].textContent = newest && newest[metric] !== undefined
        ? `${metric === 'accuracy' ? 'accuracy' : 'error'} ${score(newest)} on pictures held back` : '';
    }
    if (changed(buttons, [run.run, state.status, run.model, !!app.pulse?.work])) drawButtons(run, state.status);
  }

  function drawButtons(run, status) {
    const rows = [];
    if (status === 'running') rows.push(h('button', { type: 'button', onclick: () => work(run.run, { do: 'stop' }) }, 'Stop'));
    else if (['stopped', 'failed'].includes(status)) {
      rows.push(h('button', { type: 'button', class: 'go', disabled: !!app.pulse?.work, onclick: () => work(run.run, { do: 'train' }) }, 'Go on'));
    } else if (run.model) {
      rows.push(h('button', { type: 'button', class: 'go', onclick: () => app.go('live') }, 'Try it live →'),
        h('button', { type: 'button', onclick: () => app.go('check') }, 'Check it →'));
    }
    buttons.replaceChildren(...rows);
  }

  function origin(start) {
    const words = String(start).split('/');
    if (words[0] === 'run') return words[1] === app.name ? `training ${words[2]}` : `${words[1]}, training ${words[2]}`;
    return { none: 'nothing', imagenet: 'ImageNet' }[start] || `shipped ${words[1]}`;
  }

  function drawList() {
    const rows = app.project.runs;
    list.hidden = !rows.length;
    if (!changed(list, rows.map((run) => [run.run, run.train.status, run.train.score]))) return;
    list.replaceChildren(h('h2', {}, 'All trainings'), h('div', { class: 'scroll' }, h('table', {}, h('tbody', {}, rows.map((run) => h('tr', {},
      h('td', {}, h('button', { type: 'button', class: 'quiet', onclick: () => { shownRun = run.run; update(); } }, `Training ${run.run}`)),
      h('td', {}, run.train.status === 'done' ? score(run.train.score) : run.train.status),
      h('td', { class: 'soft' }, `${run.job.head_only ? 'last layer' : 'whole net'}, from ${origin(run.job.start)}`),
      h('td', {}, run.train.status === 'running' ? null : h('button', { type: 'button', class: 'quiet danger', 'aria-label': `Delete training ${run.run}`, onclick: () => {
        if (window.confirm(`Delete training ${run.run} for good?`)) work(run.run, { do: 'drop' });
      } }, 'Delete'))))))));
  }

  function current() {
    const { runs } = app.project;
    return runs.find((run) => run.train.status === 'running') || runs.find((run) => run.run === shownRun) || runs[0] || null;
  }

  function update() {
    drawForm();
    drawBoard(current());
    drawList();
  }

  // while it runs, the newest words come with the pulse
  function pulse() {
    const busy = app.pulse?.work;
    if (busy && busy.project === app.name && busy.task === 'train') {
      const run = app.project.runs.find((one) => one.run === busy.run);
      if (run) {
        run.train = busy.state;
        drawBoard(run);
      }
    }
    drawForm();
  }
  return { update, pulse, close() {} };
}
