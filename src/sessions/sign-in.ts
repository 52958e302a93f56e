/** Signing in: registering, and logging in by username or e-mail. Each opens a session for the device, or goes on with the one it has, as what signs people in otherwise does with `enter`. */
import type { Accounts, NewAccountInput } from '../accounts/accounts.ts';
import { checkLine, foldName, withoutInvisible } from '../accounts/names.ts';
import type { Turn } from '../accounts/password-queue.ts';
import { mustAllowPasswords, type Passwords } from '../accounts/passwords.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, type Problems } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { UserId } from '../ids.ts';
import type { Tx } from '../storage/database.ts';
import type { UserRow } from '../storage/rows.ts';
import { type Issued, type Issuing, type Opened, type SignInClient, seenNow } from './issue.ts';
import type { KnownDevices } from './known-devices.ts';
import type { Sessions } from './sessions.ts';
import type { Tokens } from './tokens.ts';

export type SignIn = ReturnType<typeof createSignIn>;
export const deviceKinds = ['WEB', 'IOS', 'ANDROID', 'DESKTOP', 'BOT', 'OTHER'] as const;
export type DeviceKind = (typeof deviceKinds)[number];
export type DeviceInput = {
  id?: string | null;
  name?: string | null;
  kind?: DeviceKind | null;
  /** From an earlier sign-in on this device. */
  token?: string | null;
};
export type RegisterInput = NewAccountInput & { device?: DeviceInput | null };
export type LoginInput = { login: string; password: string; device?: DeviceInput | null };

/** With the token by which this device is known from now on. */
export type SignedIn = Issued & { deviceToken: string | null };

export type Device = { id: string | null; name: string | null; kind: DeviceKind | null };
/** Who said who it is, where no password did. */
export type Origin = { issuer: string; issuerSession: string | null };

export function createSignIn({
  config,
  write,
  accounts,
  passwords,
  tokens,
  sessions,
  devices,
  issuing: { issue, expiryOf },
  limits,
  clock,
}: {
  config: Pick<Config, 'REGISTRATION' | 'PASSWORD_LOGIN'>;
  write: Write;
  accounts: Pick<Accounts, 'checkNew' | 'create' | 'findByLogin' | 'invalidCredentials'>;
  passwords: Pick<Passwords, 'verify' | 'isOutdated' | 'hash'>;
  tokens: Pick<Tokens, 'newSecret' | 'digestOf' | 'toRefreshToken'>;
  sessions: Pick<Sessions, 'makeRoom'>;
  devices: KnownDevices;
  issuing: Issuing;
  limits: RateLimits;
  clock: () => Date;
}) {
  return { register, login, open, handOver };

  /** Makes an account and its first session. Fails with FORBIDDEN, VALIDATION_FAILED, ALREADY_TAKEN, RATE_LIMITED or UNAVAILABLE. */
  async function register(input: RegisterInput, client: SignInClient): Promise<SignedIn> {
    if (!config.REGISTRATION || !config.PASSWORD_LOGIN) throw new AppError('FORBIDDEN', { forbiddenReason: 'REGISTRATION_OFF' }, 'Nobody registers here.');
    const problems = createProblems();
    accounts.checkNew(problems, input);
    const device = parseDevice(problems, input.device);
    problems.check();
    await limits.take('REGISTER', { address: client.ipAddress });
    const { user, also } = await accounts.create(input, client.ipAddress, (tx, created, append) => open(tx, append, created.id, device, client, null));
    return handOver(also, user, null);
  }

  /**
   * Signs in by username or e-mail. On a known device, its session goes on or is renewed. An unknown account takes the same time as a wrong
   * password. Only wrong passwords count: for the name at this address, and far more generously for the name and for the address alone. A device that has signed in
   * to the account before is counted by itself. Fails with FORBIDDEN, INVALID_CREDENTIALS, VALIDATION_FAILED (device), RATE_LIMITED or UNAVAILABLE.
   */
  async function login(input: LoginInput, client: SignInClient): Promise<SignedIn> {
    mustAllowPasswords(config);
    const problems = createProblems();
    const device = parseDevice(problems, input.device);
    problems.check();
    const name = input.login.trim().slice(0, 320);
    let account = await accounts.findByLogin(name);
    // By what was typed, so that a name that nobody has is counted like any other.
    const [typed, address] = [{ name: foldName(name) }, { address: client.ipAddress }];
    const known = account && devices.nameOf(input.device?.token || client.deviceToken, account.id);
    const guess = known ? limits.guess(['LOGIN', { device: known }]) : limits.guess(['LOGIN', { ...typed, ...address }], ['LOGIN_WIDE', typed], ['LOGIN_WIDE', address]);
    const turn: Turn = { signIn: true, ...address, alone: known ? `device ${known}` : `${client.ipAddress} ${typed.name}` };
    for (;;) {
      const right = await passwords.verify(account?.passwordHash ?? null, input.password, turn, guess);
      if (!account) throw accounts.invalidCredentials('UNKNOWN_ACCOUNT');
      if (!right) throw accounts.invalidCredentials('WRONG_PASSWORD');
      const { id, passwordHash } = account;
      const hash = passwords.isOutdated(passwordHash) ? await passwords.hash(input.password, turn) : passwordHash;
      const opened = await write(async (tx, append) => {
        // Also lets logins of one account take turns, so that one device gets one session.
        const { count } = await tx.user.updateMany({ where: { id, passwordHash, deletedAt: null }, data: { passwordHash: hash } });
        return count === 0 ? null : open(tx, append, id, device, client, null);
      });
      if (opened) return handOver(opened, account, input.device?.token || client.deviceToken);
      // The password was changed while it was checked.
      account = await accounts.findByLogin(name);
    }
  }

  /** Goes on with the session of this device, or opens a new one. The account must be held, so that one device gets one session. */
  async function open(tx: Tx, append: Append, userId: UserId, device: Device, client: SignInClient, origin: Origin | null): Promise<Opened> {
    const now = clock();
    const secret = tokens.newSecret();
    const identified = origin ? { ...origin, identifiedAt: now } : { issuer: null, issuerSession: null, identifiedAt: null };
    const fresh = { ...seenNow(client, now), ...identified, rotatedAt: now, refreshDigest: tokens.digestOf(secret) };
    append({ type: 'account-changed', userId });
    const known = device.id === null ? null : await tx.session.findFirst({ where: { userId, deviceId: device.id }, orderBy: { id: 'desc' } });
    if (known && !known.endedAt) {
      const stillValid = known.expiresAt > now;
      const createdAt = stillValid ? known.createdAt : now;
      const generation = known.generation + 1;
      const data = {
        ...fresh,
        createdAt,
        expiresAt: expiryOf(createdAt, now),
        generation,
        voidBelow: generation,
        deviceName: device.name ?? known.deviceName,
        deviceKind: device.kind ?? known.deviceKind,
      };
      const { count } = await tx.session.updateMany({ where: { id: known.id, endedAt: null }, data });
      if (count > 0)
        return { session: { ...known, ...data }, grant: stillValid ? 'STILL_VALID' : 'RENEWED', refreshToken: tokens.toRefreshToken({ sessionId: known.id, generation, secret }) };
    }
    await sessions.makeRoom(tx, append, userId);
    const data = { ...fresh, userId, deviceId: device.id, deviceName: device.name, deviceKind: device.kind ?? 'OTHER', createdAt: now, expiresAt: expiryOf(now, now) };
    const session = await tx.session.create({ data });
    return { session, grant: 'NEW', refreshToken: tokens.toRefreshToken({ sessionId: session.id, generation: session.generation, secret }) };
  }

  /** What whoever signed in is given. A token by which the device was known goes on. */
  async function handOver(opened: Opened, account: UserRow, deviceToken: string | null | undefined): Promise<SignedIn> {
    return { ...(await issue(opened, account)), deviceToken: devices.nameOf(deviceToken, account.id) ? (deviceToken as string) : devices.newToken(account.id) };
  }
}

/** An empty id or name counts as none. */
export function parseDevice(problems: Problems, input: DeviceInput | null | undefined): Device {
  if (input?.id) checkLine(problems, ['device', 'id'], input.id, 128);
  if (input?.name) checkLine(problems, ['device', 'name'], input.name, 80);
  return { id: input?.id || null, name: withoutInvisible(input?.name ?? '') || null, kind: input?.kind ?? null };
}
