// The options of a login by OpenID Connect, read as a whole: most of them mean nothing alone.
import { ConfigError } from '../../../errors.ts';
import { type Client, isSafeUrl } from './client.ts';
import { emailPattern, type GrantRules, roleMapping } from './grants.ts';

interface OidcOptions {
  readonly oidcIssuer: string | null;
  readonly oauth2Key: string | null;
  readonly oauth2Secret: string | null;
  readonly oauth2RedirectUri: string | null;
  readonly auth: string | null;
  readonly oidcRoles: string | null;
  /** Seconds. */
  readonly sessionLifetime: number;
  readonly users: string | null;
  readonly urlPrefix: string;
}

export interface OidcSettings {
  readonly client: Client;
  readonly rules: GrantRules;
  /** Seconds. */
  readonly sessionLifetime: number;
}

/** Everybody has an account there, so to be let in by them says nothing. */
const publicIssuers = ['https://accounts.google.com', 'https://gitlab.com'];

/** Null: there is no login by a provider. @throws ConfigError */
export function resolveOidc(options: OidcOptions): OidcSettings | null {
  const { oidcIssuer: issuer, oauth2Key: id, oauth2Secret, oauth2RedirectUri: redirectUri } = options;
  if (issuer === null) {
    for (const [name, value] of Object.entries({
      'oauth2Key (--oauth2-key)': id,
      'oauth2Secret (--oauth2-secret)': oauth2Secret,
      'oauth2RedirectUri (--oauth2-redirect-uri)': redirectUri,
      'auth (--auth)': options.auth,
      'oidcRoles (--oidc-roles)': options.oidcRoles,
    }))
      if (value !== null)
        throw new ConfigError(
          `${name} is set, but no provider that users log in with; add --oidc-issuer URL or --auth-provider CLASS`,
        );
    return null;
  }
  if (!isSafeUrl(issuer) || /[?#]/.test(issuer))
    throw new ConfigError(
      `oidcIssuer must be an https address like https://login.example.com, not '${issuer}'`,
    );
  if (id === null) throw new ConfigError('oidcIssuer needs the id of the client: --oauth2-key');
  return {
    client: {
      issuer,
      id,
      secret: oauth2Secret,
      redirectUri: checkedRedirect(redirectUri, options.urlPrefix),
    },
    rules: rulesOf(issuer, options),
    sessionLifetime: options.sessionLifetime,
  };
}

function checkedRedirect(redirectUri: string | null, urlPrefix: string): string {
  const path = `${urlPrefix}/login`;
  if (redirectUri === null)
    throw new ConfigError(
      `oidcIssuer needs the public address of this dashboard, as the provider knows it: --oauth2-redirect-uri https://flower.example.com${path}`,
    );
  if (!isSafeUrl(redirectUri))
    throw new ConfigError(
      `oauth2RedirectUri must be https, since codes and cookies could be read on the way (http: on this machine only), not '${redirectUri}'`,
    );
  const { pathname, search, hash } = new URL(redirectUri);
  if (pathname !== path || search !== '' || hash !== '')
    throw new ConfigError(
      `oauth2RedirectUri must end in '${path}', the dashboard's page for it, not '${redirectUri}'`,
    );
  return redirectUri;
}

function rulesOf(issuer: string, { auth, oidcRoles, users }: OidcOptions): GrantRules {
  const isPublic = publicIssuers.includes(issuer.replace(/\/$/, ''));
  if (isPublic && auth === null && oidcRoles === null && users === null)
    throw new ConfigError(
      `everybody has an account at ${issuer}; name who may log in: --auth '.*@example.com' (admins), or --users FILE`,
    );
  return {
    auth: auth === null ? null : emailPattern(auth),
    mapping: oidcRoles === null ? null : roleMapping(oidcRoles),
    otherwise: auth === null && !isPublic ? 'viewer' : null,
  };
}
