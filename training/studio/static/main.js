// The page: which view is shown, what the studio tells, and what every view shares.

import { by, h } from './dom.js';
import { get, post, projectPath } from './api.js';
import { home } from './home.js';
import { collect } from './collect.js';
import { train } from './train.js';
import { check } from './check.js';
import { live } from './live.js';
import { compress } from './compress.js';
import { deploy } from './deploy.js';

const STEPS = [['collect', 'Collect', collect], ['train', 'Train', train], ['check', 'Check', check],
  ['live', 'Try live', live], ['compress', 'Compress', compress], ['deploy', 'Deploy', deploy]];
const NOTICE_MS = 9000; // long enough to read a sentence twice

const app = {
  name: '', step: '', project: null, overview: null, pulse: null,
  // Shows a sentence on top; a mistake in red.
  notice(sentence, good = false) {
    clearTimeout(this.timer);
    by('notice').textContent = sentence;
    by('notice').hidden = !sentence;
    by('notice').className = good ? 'good' : '';
    if (sentence) this.timer = setTimeout(() => this.notice(''), NOTICE_MS);
  },
  // Does something that may fail in a sentence; gives whether it worked.
  async attempt(work) {
    try {
      await work();
      return true;
    } catch (error) {
      this.notice(error.message);
      return false;
    }
  },
  change(wish) {
    return post(`${projectPath(this.name)}/change`, wish).finally(() => refresh());
  },
  refresh: (all = false) => refresh(all),
  go(step) {
    location.hash = `#/${encodeURIComponent(this.name)}/${step}`;
  },
};

let view = { update() {}, pulse() {}, close() {} };
let loading = null;
let again = null;

// ---- what is known of the project is read again when the studio says that it has changed; all
// projects and models only now and then
async function refresh(all = false) {
  if (loading) {
    again = again || { all: false };
    again.all = again.all || all;
    return loading;
  }
  const name = app.name;
  loading = (async () => {
    try {
      const [overview, project] = await Promise.all([
        all || !app.overview ? get('/api/overview') : app.overview, name ? get(projectPath(name)) : null]);
      if (name === app.name) {
        app.overview = overview;
        app.project = project;
        show();
      }
    } catch (error) {
      if (name === app.name) missing(error);
    }
  })();
  await loading;
  loading = null;
  if (again) {
    const wish = again;
    again = null;
    return refresh(wish.all);
  }
  return undefined;
}

function missing(error) {
  app.notice(error.message);
  if (/There is no project/.test(error.message)) location.hash = '#/';
}

function show() {
  const { project } = app;
  by('where').textContent = app.name ? ` / ${app.name}` : '';
  document.title = app.name ? `${app.name} - studio` : 'edge_vision studio';
  by('steps').hidden = !project;
  by('undo').hidden = !project || !project.undo;
  by('undo').title = project && project.undo ? `Take back: ${project.undo}` : '';
  view.update();
}

// ---- which view
function route() {
  const [, name = '', step = 'collect'] = location.hash.split('/').map(decodeURIComponent);
  const known = STEPS.find(([id]) => id === step) || STEPS[0];
  view.close();
  by('dialog').close();
  by('view').replaceChildren();
  if (name !== app.name) app.project = null;
  app.name = name;
  app.step = known[0];
  by('steps').replaceChildren(...STEPS.map(([id, title], i) => h('a', {
    href: `#/${encodeURIComponent(name)}/${id}`, 'aria-current': id === known[0] ? 'page' : null,
  }, `${i + 1} ${title}`)));
  by('steps').querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  view = name ? lazy(known[2]) : home(by('view'), app);
  refresh(true);
}

// A view of a project begins once the project is known.
function lazy(make) {
  let inner = null;
  return {
    update() {
      if (!app.project) return;
      if (!inner) inner = make(by('view'), app);
      inner.update();
    },
    pulse() {
      if (inner) inner.pulse();
    },
    close() {
      if (inner) inner.close();
    },
  };
}

window.addEventListener('hashchange', route);

// ---- what the studio tells by itself
let version = null;
let working = '';
const events = new EventSource('/api/events');
events.onmessage = ({ data }) => {
  const lost = app.pulse === null;
  app.pulse = JSON.parse(data);
  const { work, versions } = app.pulse;
  by('state').textContent = 'connected';
  by('state').className = 'pill ok';
  const pill = by('working');
  pill.hidden = !work;
  if (work) {
    const what = { train: 'training', evaluate: 'checking', compress: 'compressing' }[work.task];
    const done = work.state.done ? ` ${Math.round(100 * work.state.done)} %` : '';
    pill.textContent = `${what} ${work.project === app.name ? '' : work.project}${done}`;
    pill.href = `#/${encodeURIComponent(work.project)}/${work.task === 'compress' ? 'compress' : 'train'}`;
  }
  const now = work ? `${work.project}/${work.run}/${work.task}` : '';
  const newest = versions[app.name];
  if (lost || now !== working) refresh(true);
  else if (app.name && newest !== version) refresh();
  version = newest;
  working = now;
  view.pulse();
};
events.onerror = () => {
  app.pulse = null;
  by('state').textContent = 'no connection';
  by('state').className = 'pill bad';
};

by('undo').addEventListener('click', () => app.attempt(async () => {
  const { undone } = await app.change({ do: 'undo' });
  app.notice(`Taken back: ${undone}`, true);
}));
document.addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !/INPUT|TEXTAREA/.test(event.target.tagName) && !by('undo').hidden) {
    event.preventDefault();
    by('undo').click();
  }
});

route();
