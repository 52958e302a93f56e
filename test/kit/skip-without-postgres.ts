/** Says why tests on PostgreSQL do not run where it cannot be started. */
import { beforeEach, inject } from 'vitest';

beforeEach((context) => {
  const place = inject('postgres');
  if ('unavailable' in place) context.skip(place.unavailable);
});
