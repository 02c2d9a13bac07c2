// The Azure SDKs insist on https. On a laptop this policy carries their requests to the twin over plain http, and to loopback only.

interface Request {
  url: string;
  allowInsecureConnection?: boolean;
}

/** A pipeline policy for the SDKs' `additionalPolicies` or `pipeline.addPolicy`. Throws on any address that is not loopback. */
export const plainLoopback = {
  name: 'flowgridPlainLoopback',
  async sendRequest<R extends Request, Answer>(request: R, next: (request: R) => Promise<Answer>): Promise<Answer> {
    const secure = request.url;
    if (!/^https?:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?([/?]|$)/.test(secure))
      throw new Error('plain http is for loopback only');
    request.url = secure.replace(/^https:/, 'http:');
    request.allowInsecureConnection = true;
    try {
      return await next(request);
    } finally {
      // What runs before this policy on a retry must see https again, or it refuses to sign.
      request.url = secure;
    }
  },
};
