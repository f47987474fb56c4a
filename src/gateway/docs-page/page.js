// Shows the API's description with Swagger UI. If the gateway wants an API key, asks for it first; the key is kept in this
// page only, and is gone with it.
const base = document.body.dataset.base;
const form = document.querySelector('.key');
const note = document.querySelector('.note');

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void show(form.elements.key.value.trim());
});
void show('');

async function show(key) {
  const headers = key === '' ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`${base}/openapi.json`, { headers }).catch((error) => error);
  const needsKey = response.status === 401;
  form.hidden = !needsKey;
  note.textContent = '';
  if (response.ok) draw(await response.json(), key);
  else if (!needsKey || key !== '')
    note.textContent = needsKey
      ? 'The gateway does not know this key.'
      : 'The gateway does not answer; reload the page to try again.';
}

function draw(spec, key) {
  document.title = spec.info.title;
  const ui = window.SwaggerUIBundle({
    spec,
    dom_id: '#swagger-ui',
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: 'BaseLayout',
    tryItOutEnabled: true,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // Swagger's own site would be asked to validate the document.
    validatorUrl: null,
    onComplete: () => {
      if (key !== '') ui.preauthorizeApiKey('bearer', key);
    },
  });
}
