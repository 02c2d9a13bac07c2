// ajv is CommonJS: imported lazily without this file, a bundle loses its named exports.
export { Ajv2020 } from 'ajv/dist/2020.js';
