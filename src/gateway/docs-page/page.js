// Runs in the browser: shows the API's description with Swagger UI, and asks for an API key when the gateway wants one.
const description = new URL('../openapi.json', import.meta.url);
const place = document.querySelector('#docs');
// In memory only: a key in the browser's storage would outlive the visit.
let key = '';

const spec = await load();
document.title = spec.info.title;
globalThis.SwaggerUIBundle({
  domNode: place,
  spec,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  // The default asks a server on the internet whether the description is valid.
  validatorUrl: null,
  requestInterceptor: withKey,
});

async function load() {
  for (let refused = false; ; refused = true) {
    const response = await fetch(description, withKey({ headers: {} }));
    if (response.ok) return response.json();
    if (response.status !== 401)
      throw show(`The description of the API cannot be loaded: ${response.status}`);
    key = await askForKey(refused);
  }
}

function withKey(request) {
  if (key !== '') request.headers['X-API-Key'] ??= key;
  return request;
}

/** Shows a form, and resolves with what was typed. */
function askForKey(refused) {
  const form = document.createElement('form');
  const label = document.createElement('label');
  const input = document.createElement('input');
  const button = document.createElement('button');
  label.textContent = refused ? 'That key is not accepted. API key ' : 'This gateway needs an API key ';
  Object.assign(input, { type: 'password', name: 'key', required: true, autocomplete: 'off' });
  button.textContent = 'Show the API';
  label.append(input);
  form.append(label, button);
  place.replaceChildren(form);
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      place.replaceChildren();
      resolve(input.value);
    });
  });
}

function show(message) {
  place.textContent = message;
  return new Error(message);
}
