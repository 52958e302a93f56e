/** Maps of sets, in which an empty set never stays behind. */
export type MultiMap<Key, Value> = Map<Key, Set<Value>>;

export function addTo<Key, Value>(map: MultiMap<Key, Value>, key: Key, value: Value): void {
  const set = map.get(key);
  if (set) set.add(value);
  else map.set(key, new Set([value]));
}

export function dropFrom<Key, Value>(map: MultiMap<Key, Value>, key: Key, value: Value): void {
  const set = map.get(key);
  if (set?.delete(value) && set.size === 0) map.delete(key);
}
