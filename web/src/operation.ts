/** GraphQL documents as texts with the types of what they ask and answer. Shared fragments are named in a document and added here, each once. */
import { fragments } from './state/fragments.ts';

export type Operation<Data, Variables = Record<string, never>> = string & { readonly $types?: (variables: Variables) => Data };

export function operation<Data, Variables = Record<string, never>>(text: string): Operation<Data, Variables> {
  const wanted = new Set<string>();
  const look = (part: string): void => {
    for (const [, name = ''] of part.matchAll(/\.\.\.\s*(\w+)/g)) {
      const fragment = fragments[name as keyof typeof fragments];
      if (!fragment || wanted.has(fragment)) continue;
      wanted.add(fragment);
      look(fragment);
    }
  };
  look(text);
  return [text, ...wanted].map((part) => part.replaceAll(/\s+/g, ' ').trim()).join('\n');
}
