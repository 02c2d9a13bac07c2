// Work through a list, so many at once.

export async function inTurn<Item>(atOnce: number, items: Iterator<Item>, work: (item: Item) => Promise<void>): Promise<void> {
  const walk = async () => {
    for (let next = items.next(); !next.done; next = items.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: atOnce }, walk));
}
