// A page that shows the OpenAPI document. It needs nothing from anywhere else.
import { openHttp } from '../../shared/context/http.ts';

const style = `
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1d2733;background:#fff}main{max-width:60em;margin:0 auto;padding:2em 1em}
h1{margin:0}h2{margin:2em 0 .5em;font-size:1.1em;text-transform:capitalize}details{border:1px solid #dde3ea;border-radius:6px;margin:.4em 0}
summary{cursor:pointer;padding:.5em .8em;display:flex;gap:.8em;align-items:baseline}b{font:600 12px ui-monospace,monospace;min-width:4.5em}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f5f7fa;padding:.8em;overflow:auto;margin:.4em 0}section{padding:0 .8em .8em}
.GET{color:#0a6}.POST{color:#06c}.PUT,.PATCH{color:#a60}.DELETE{color:#c33}span{color:#667}`;

const script = `
const show=(tag,text,...inner)=>{const e=document.createElement(tag);if(text)e.textContent=text;e.append(...inner);return e};
fetch('/api/openapi.json').then(r=>r.json()).then(api=>{
  const main=document.querySelector('main');main.append(show('p',api.info.description));
  const byTag={};
  for(const [path,item] of Object.entries(api.paths))for(const [method,op] of Object.entries(item))(byTag[op.tags[0]]??=[]).push({path,method:method.toUpperCase(),op});
  for(const [tag,list] of Object.entries(byTag)){main.append(show('h2',tag));for(const {path,method,op} of list){
    const verb=show('b',method);verb.className=method;
    const box=show('section',undefined,show('p',op.description||''));
    if(op.parameters)box.append(show('h4','Parameters'),show('pre',JSON.stringify(op.parameters,null,2)));
    if(op.requestBody)box.append(show('h4','Body'),show('pre',JSON.stringify(op.requestBody.content['application/json'].schema,null,2)));
    box.append(show('h4','Answers'),show('pre',JSON.stringify(op.responses,null,2)));
    main.append(show('details',undefined,show('summary',undefined,verb,show('code',path),show('span',op.summary)),box));
  }}
  main.append(show('h2','Schemas'));
  for(const [name,schema] of Object.entries(api.components?.schemas??{}))main.append(show('details',undefined,show('summary',undefined,show('code',name)),show('section',undefined,show('pre',JSON.stringify(schema,null,2)))));
}).catch(e=>document.querySelector('main').append(show('p','The document could not be loaded: '+e.message)));`;

const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>FlowGrid API</title><style>${style}</style><main><h1>FlowGrid API</h1><p><a href="/api/openapi.json">openapi.json</a></p></main><script>${script}</script></html>`;

export const docs = openHttp({
  name: 'reference-docs',
  route: 'GET /api/docs',
  summary: 'A page that shows this document',
  answers: { 200: 'text/html' },
  handle: () => ({
    status: 200,
    raw: page,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'public, max-age=60',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    },
  }),
});
