// What a tenant's policies are asked, in Cedar's terms (api.md, Cedar).

/** May the caller do this to that? `Action::"tool:invoke"` on `Tool::"notion.createPage"` in `Integration::"notion"`. */
export interface PolicyQuestion {
  readonly action: string;
  readonly resource: EntityName & { readonly in?: EntityName };
  readonly context?: Readonly<Record<string, string | number | boolean>>;
}

export interface EntityName {
  readonly type: 'Agent' | 'Queue' | 'Tool' | 'Integration';
  readonly id: string;
}
