<?php

namespace App\Http;

use App\Models\InstanceSettings;
use Illuminate\Support\Facades\DB;

/** Tokens as Laravel Sanctum stores them (`<id>|<secret>`, of which the database has the SHA-256), and the switch of the API. */
class ApiToken
{
    public function handle($request, \Closure $next)
    {
        [$id, $secret] = explode('|', $request->bearerToken().'|');
        $known = DB::table('personal_access_tokens')->where('id', (int) $id)->value('token');
        if (! $known || ! hash_equals($known, hash('sha256', $secret))) {
            return response()->json(['message' => 'Unauthenticated.'], 401);
        }
        if (! InstanceSettings::findOrFail(0)->is_api_enabled) {
            return response()->json(['success' => true, 'message' => 'API is disabled.'], 403);
        }

        return $next($request);
    }
}
