// What the examples say: one JSON object a line.

export type Tell = (event: { readonly event: string; readonly [name: string]: string | null }) => void;

export const tellOnOutput: Tell = (event) => {
  process.stdout.write(`${JSON.stringify(event)}\n`);
};
