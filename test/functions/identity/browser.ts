// As much of a browser as signing in needs: cookies by host and port are one jar (RFC 6265 knows no ports), redirects one at a time.

export interface Page {
  readonly status: number;
  readonly url: string;
  readonly location: string | null;
  readonly text: string;
  readonly headers: Headers;
}

export class Browser {
  readonly cookies = new Map<string, string>();

  async get(url: string): Promise<Page> {
    return this.#take(url, await fetch(url, { redirect: 'manual', headers: this.#headers() }));
  }

  /** As a page of `origin` would. */
  async post(url: string, form: Record<string, string>, origin?: string): Promise<Page> {
    const headers = { ...this.#headers(), ...(origin !== undefined && { origin }) };
    const body = Object.keys(form).length > 0 ? { body: new URLSearchParams(form) } : {};
    return this.#take(url, await fetch(url, { method: 'POST', redirect: 'manual', headers, ...body }));
  }

  /** Goes from redirect to redirect until a page answers, or one would lead to `stop`. */
  async follow(page: Page, stop = 'nowhere'): Promise<Page> {
    let at = page;
    for (let hops = 0; at.location !== null && hops < 10; hops++) {
      const next = new URL(at.location, at.url).href;
      if (next.includes(stop)) break;
      at = await this.get(next);
    }
    return at;
  }

  #headers(): Record<string, string> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return { accept: 'text/html,*/*', ...(cookie && { cookie }) };
  }

  async #take(url: string, response: Response): Promise<Page> {
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const { status, headers } = response;
    return { status, url, location: headers.get('location'), text: await response.text(), headers };
  }
}
