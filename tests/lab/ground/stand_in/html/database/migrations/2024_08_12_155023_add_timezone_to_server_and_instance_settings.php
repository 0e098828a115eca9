<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::table('server_settings', function (Blueprint $table) {
            $table->string('server_timezone')->default('');
        });
        Schema::table('instance_settings', function (Blueprint $table) {
            $table->string('instance_timezone')->default('UTC');
        });
    }
};
