<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Support\Facades\Crypt;
use Illuminate\Support\Facades\DB;

return new class extends Migration
{
    public function up(): void
    {
        DB::table('private_keys')->chunkById(100, function ($keys) {
            foreach ($keys as $key) {
                DB::table('private_keys')->where('id', $key->id)->update(['private_key' => Crypt::encryptString($key->private_key)]);
            }
        });
    }
};
