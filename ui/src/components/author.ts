/** "Ada" of "Ada <ada@shop.example>". */
export function author(name: string | null): string {
  return name?.replace(/\s*<[^>]*>\s*$/, "") ?? "";
}
