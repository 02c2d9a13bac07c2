// The errors of Cosmos DB: status, code, substatus and, where known, the service's own words.
import * as z from 'zod';

const maxDetail = 2_000;
const codes: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  429: '429',
  500: 'InternalServerError',
  501: 'NotImplemented',
};

/** What a request is answered with instead of a result. */
export class Refusal extends Error {
  readonly status: number;
  readonly substatus: number;

  constructor(status: number, message: string, substatus = 0) {
    super(message);
    this.status = status;
    this.substatus = substatus;
  }

  get body(): string {
    return JSON.stringify({ code: codes[this.status] ?? String(this.status), message: this.message });
  }
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, message);
}

/** A body that is wrong, or has something in it that the twin does not know: zod says what. */
export function invalid(what: string, error: z.ZodError): Refusal {
  return badRequest(
    `${what} is not valid, or not modelled by the local twin (local/LIMITS.md).\n${z.prettifyError(error).slice(0, maxDetail)}`,
  );
}

/** Something the service may do and this twin does not: never silently another answer. */
export function notModelled(what: string): Refusal {
  return new Refusal(501, `${what} is not modelled by the local twin (local/LIMITS.md).`);
}

export function notFound(): Refusal {
  return new Refusal(404, 'Entity with the specified id does not exist in the system.');
}

/** The database or container the path goes through is not there. */
export function ownerNotFound(): Refusal {
  return new Refusal(404, 'Owner resource does not exist', 1003);
}

export function conflict(): Refusal {
  return new Refusal(409, 'Entity with the specified id already exists in the system.');
}

export function preconditionFailed(): Refusal {
  return new Refusal(412, 'Operation cannot be performed because one of the specified precondition is not met.');
}

export function tooLarge(): Refusal {
  return new Refusal(413, 'Request size is too large');
}

export function throttled(): Refusal {
  return new Refusal(
    429,
    'Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later.',
    3200,
  );
}
